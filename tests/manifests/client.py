"""A client of the API server that is fast enough for hundreds of dry runs: one connection."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any, Self
from urllib.parse import urlsplit

import yaml
from lab.control_plane import ControlPlane


class DryRun:
    """Creates objects with dryRun=All and fieldValidation=Strict, as `kubectl apply --dry-run=server` does."""

    def __init__(self, server: ControlPlane) -> None:
        document = yaml.safe_load(server.kubeconfig.read_text())
        user, cluster = document["users"][0]["user"], document["clusters"][0]["cluster"]
        context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        context.load_cert_chain(user["client-certificate"], user["client-key"])
        self._connection = http.client.HTTPSConnection(urlsplit(server.server).netloc, context=context, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def refusal(self, manifest: dict[str, Any]) -> str | None:
        """None when it would be created, otherwise the API server's words."""
        plural = {"FloatingIP": "floatingips", "FloatingIPNode": "floatingipnodes"}[manifest["kind"]]
        path = f"/apis/floatip.dev/v1alpha1/{plural}?dryRun=All&fieldValidation=Strict"
        self._connection.request("POST", path, json.dumps(manifest), {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        answer = json.loads(response.read())
        if response.status == 201:
            return None
        assert response.status in (400, 422), answer
        return str(answer["message"])
