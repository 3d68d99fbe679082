"""The operator's only reads and writes of the Kubernetes API.

Updates carry uid and resourceVersion, creation is a POST: a stale leader that wakes up can neither overwrite nor resurrect anything.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from floatip_api import names
from kubernetes.aio import client, config

FIELD_MANAGER = "floatip-operator"

_GROUP = f"/apis/{names.API_VERSION}"
FLOATING_IPS = f"{_GROUP}/{names.FLOATING_IPS}"
FLOATING_IP_NODES = f"{_GROUP}/{names.FLOATING_IP_NODES}"
NODES = "/api/v1/nodes"
_DEFINITION = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{names.FLOATING_IPS}.{names.GROUP}"
_POLICIES = ("validatingadmissionpolicies", "validatingadmissionpolicybindings")
_SERVICE_RANGES = "/apis/networking.k8s.io/v1/servicecidrs"
POD_SECURITY = "pod-security.kubernetes.io/enforce"
SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_PAGE = 500
_TIMEOUT = aiohttp.ClientTimeout(total=15)
_WATCH_SECONDS = 240
_SILENT = aiohttp.ClientTimeout(total=_WATCH_SECONDS + 30, sock_read=30)
"""A watch on which nothing comes for so long may be a dead connection."""
_EVENT_LENGTH = 1024
"""Characters of a message: an Event is read in a line."""

Object = dict[str, Any]


class ApiError(Exception):
    """The API server refused. `status` is HTTP's; the text is the server's own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def leases(namespace: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"


def pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def daemon_set(namespace: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/daemonsets/{names.AGENT_DAEMON_SET}"


def deployment(namespace: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments/{names.OPERATOR_DEPLOYMENT}"


async def load_configuration() -> client.Configuration:
    """In a cluster the service account's, else KUBECONFIG's. Raises `config.ConfigException`."""
    configuration = client.Configuration()
    if "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        configuration.refresh_api_key_hook = _read_token  # type: ignore[assignment]
    else:
        await config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    return configuration


def _read_token(configuration: client.Configuration) -> None:
    """Each time: the kubelet replaces it, and after a long outage the old one is worth nothing."""
    configuration.api_key["BearerToken"] = f"Bearer {SERVICE_ACCOUNT_TOKEN.read_text().strip()}"


class Kube:
    """Raw JSON in and out: the models of floatip_api give it its types."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._api = api
        self.namespace = namespace

    async def list_all(self, path: str) -> list[Object]:
        """Every object, in pages."""
        found: list[Object] = []
        token = ""
        while True:
            page = await self._request("GET", path, {"limit": str(_PAGE), "continue": token})
            found += page["items"]
            token = page["metadata"].get("continue", "")
            if not token:
                return found

    async def list_now(self, path: str) -> tuple[list[Object], str]:
        """Every object in one answer, and the version from which `changes` goes on."""
        found = await self._request("GET", path)
        return found["items"], found["metadata"]["resourceVersion"]

    async def changes(self, path: str, version: str) -> AsyncIterator[tuple[str, Object]]:
        """What happens to the objects after that version, as (ADDED, MODIFIED or DELETED, object), until the server ends it or nothing
        comes any more."""
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(_WATCH_SECONDS)}
        response = await self._send("GET", path, query, timeout=_SILENT)
        try:
            if response.status != 200:
                raise ApiError(response.status, f"GET {path}: HTTP {response.status}")
            async for line in response.response.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                yield event["type"], event["object"]
        except (aiohttp.ClientError, ValueError) as error:  # a server that dies may leave half a line
            raise ConnectionError(f"GET {path}: {error or type(error).__name__}") from error
        finally:
            response.response.close()

    async def get(self, path: str) -> Object | None:
        try:
            return await self._request("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def create_document(self, metadata: Mapping[str, Any]) -> Object:
        body = {**_head(names.FLOATING_IP_NODE), "metadata": dict(metadata), "spec": {}}
        return await self._request("POST", FLOATING_IP_NODES, {"fieldManager": FIELD_MANAGER}, body)

    async def write_document(self, metadata: Mapping[str, Any], spec: Object) -> Object:
        """Server-side apply of a FloatingIPNode's spec, only onto this very version of it."""
        body = {**_head(names.FLOATING_IP_NODE), "metadata": dict(metadata), "spec": _without_empty_lists(spec)}
        return await self._apply(f"{FLOATING_IP_NODES}/{metadata['name']}", body)

    async def delete_document(self, metadata: Mapping[str, Any]) -> None:
        """And the Lease of its agent."""
        preconditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        await self._request("DELETE", f"{FLOATING_IP_NODES}/{metadata['name']}", body={"preconditions": preconditions})
        await self.delete(f"{leases(self.namespace)}/{names.agent_lease(metadata['name'])}")

    async def write_status(self, metadata: Mapping[str, Any], status: Object) -> Object:
        body = {**_head(names.FLOATING_IP), "metadata": dict(metadata), "status": _without_empty_lists(status)}
        return await self._apply(f"{FLOATING_IPS}/{metadata['name']}/status", body)

    async def change_metadata(self, metadata: Mapping[str, Any], change: Object) -> Object:
        """Merge `change` into a FloatingIP's metadata, only onto this very version of it."""
        path = f"{FLOATING_IPS}/{metadata['name']}"
        body = {"metadata": {**change, "uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}}
        return await self._request("PATCH", path, body=body, content="application/merge-patch+json")

    async def grant_secrets(self, secrets: Sequence[str]) -> None:
        """Keep the agents' Role at exactly these Secrets. No Secret: no rule, since an empty list of names would grant all."""
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}/roles/{names.AGENT_SECRETS_ROLE}"
        rule = {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": list(secrets),
            "verbs": ["get", "list", "watch"],
        }
        rules = [rule] if secrets else []
        role = await self.get(path)
        if role is not None and (role.get("rules") or []) != rules:
            await self._request("PATCH", path, body={"rules": rules}, content="application/merge-patch+json")

    async def ensure_daemon_set(self, wanted: Object, digest_annotation: str) -> Object:
        """Apply the agents' DaemonSet unless it was made from the same settings; as it is then."""
        path = daemon_set(self.namespace)
        present = await self.get(path)
        digest = wanted["metadata"]["annotations"][digest_annotation]
        if present is None or present["metadata"].get("annotations", {}).get(digest_annotation) != digest:
            present = await self._apply(path, wanted)
        return present

    async def enforce_pod_security(self, level: str | None) -> None:
        """The label on floatip's namespace by which its Pods are judged; None takes ours off. Raises `ApiError` 409 when somebody else set
        another level."""
        labels = {} if level is None else {POD_SECURITY: level}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}}
        await self._apply(f"/api/v1/namespaces/{self.namespace}", body, force=False)

    async def nodes_with(self, name: str) -> set[str]:
        """The nodes of the Pods with this `app.kubernetes.io/name`."""
        found = await self._request("GET", pods(self.namespace), {"labelSelector": f"app.kubernetes.io/name={name}"})
        return {pod["spec"].get("nodeName", "") for pod in found["items"]} - {""}

    async def delete(self, path: str) -> None:
        """Whether it is there or not; what belongs to it is left to the garbage collector."""
        try:
            await self._request("DELETE", path)
        except ApiError as error:
            if error.status != 404:
                raise

    async def annotate_daemon_set(self, annotation: str, value: str | None) -> Object:
        """None takes it off. Beside what is applied: an update of its own, which the next apply leaves alone."""
        body = {"metadata": {"annotations": {annotation: value}}}
        return await self._request(
            "PATCH", daemon_set(self.namespace), body=body, content="application/merge-patch+json"
        )

    async def delete_pod(self, name: str, uid: str) -> Object:
        """This very Pod; as it is then, on its way out."""
        path = f"{pods(self.namespace)}/{name}"
        return await self._request("DELETE", path, body={"preconditions": {"uid": uid}})

    async def record_event(self, event: Object) -> None:
        """One that is there already is counted again."""
        path = f"/api/v1/namespaces/{event['metadata']['namespace']}/events"
        try:
            await self._request("POST", path, body=event)
        except ApiError as error:
            if error.status != 409:
                raise
            path += f"/{event['metadata']['name']}"
            merge = "application/merge-patch+json"
            change = {"lastTimestamp": event["lastTimestamp"]}
            present = await self._request("PATCH", path, body=change, content=merge)
            await self._request("PATCH", path, body={"count": present.get("count", 1) + 1}, content=merge)

    async def is_definition_deleted(self) -> bool:
        definition = await self.get(_DEFINITION)
        return definition is None or "deletionTimestamp" in definition["metadata"]

    async def has_agent_policy(self) -> bool:
        """Policy and binding; also when the operator may not ask."""
        try:
            found = [
                await self.get(f"/apis/admissionregistration.k8s.io/v1/{kind}/{names.AGENT_POLICY}")
                for kind in _POLICIES
            ]
        except ApiError as error:
            if error.status == 403:
                return True
            raise
        return None not in found

    async def cluster_uid(self) -> str:
        """The UID of kube-system: what tells this cluster from another."""
        namespace = await self._request("GET", "/api/v1/namespaces/kube-system")
        return str(namespace["metadata"]["uid"])

    async def service_ranges(self) -> list[str]:
        """Empty before ServiceCIDR objects exist (Kubernetes 1.33)."""
        try:
            found = await self.list_all(_SERVICE_RANGES)
        except ApiError as error:
            if error.status in {403, 404}:
                return []
            raise
        return [text for entry in found for text in entry["spec"]["cidrs"]]

    async def create_lease(self, lease: Object) -> Object:
        return await self._request("POST", leases(self.namespace), body=lease)

    async def replace_lease(self, lease: Object) -> Object:
        return await self._request("PUT", f"{leases(self.namespace)}/{lease['metadata']['name']}", body=lease)

    async def _apply(self, path: str, body: Object, *, force: bool = True) -> Object:
        query = {"fieldManager": FIELD_MANAGER, "force": str(force).lower(), "fieldValidation": "Strict"}
        return await self._request("PATCH", path, query, body, "application/apply-patch+yaml")

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content: str = "application/json",
    ) -> Object:
        response = await self._send(method, path, query, body, content)
        try:
            text = await response.read()
        except aiohttp.ClientError as error:  # a server that dies in the middle of an answer is no OSError there
            raise ConnectionError(f"{method} {path}: {error or type(error).__name__}") from error
        try:
            answer = json.loads(text) if text else {}
        except ValueError as error:
            raise ApiError(response.status, f"{method} {path}: HTTP {response.status}, and no JSON") from error
        if not 200 <= response.status < 300:
            raise ApiError(response.status, answer.get("message", f"{method} {path}: HTTP {response.status}"))
        return dict(answer)

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content: str = "application/json",
        timeout: aiohttp.ClientTimeout = _TIMEOUT,  # noqa: ASYNC109 - the client library's own
    ) -> Any:
        """The answer's head; its body is still to be read."""
        headers = {"Content-Type": content, "Accept": "application/json"}
        parameters = [(key, value) for key, value in (query or {}).items() if value]
        serialized = await self._api.param_serialize(
            method, path, query_params=parameters, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        try:
            return await self._api.call_api(*serialized, _request_timeout=timeout)
        except aiohttp.ClientError as error:
            raise ConnectionError(f"{method} {path}: {error or type(error).__name__}") from error


def event(about: Object, kind: str, reason: str, message: str) -> Object:
    """About an object, which is named as `involvedObject` names it; `kind` is Normal or Warning. The Event is named by what it says: what
    happens again is counted on the same one. About objects without a namespace it lives in `default`."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = hashlib.sha256("\n".join((about["uid"], kind, reason, message)).encode()).hexdigest()[:16]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{about['name']}.{digest}", "namespace": about.get("namespace", "default")},
        "involvedObject": about,
        "type": kind,
        "reason": reason,
        "message": message[:_EVENT_LENGTH],
        "source": {"component": FIELD_MANAGER},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }


def _head(kind: str) -> Object:
    return {"apiVersion": names.API_VERSION, "kind": kind}


def _without_empty_lists(part: Object) -> Object:
    """Server-side apply turns a list with keys that lost its last entry into null, which the schema refuses; leaving it out works."""
    return {key: value for key, value in part.items() if value != []}
