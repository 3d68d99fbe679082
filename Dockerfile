# Two images of one source: `docker build --target agent .` and `docker build --target operator .`
# Every package comes by its hash from requirements/*.txt. RUN in exec form only, so that a base without a shell will do.
ARG PYTHON=docker.io/library/python:3.11.14-slim-bookworm

FROM ${PYTHON} AS python
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN ["python3", "-m", "venv", "--without-pip", "/opt/floatip"]

FROM python AS wheel
COPY requirements/build.txt /requirements/
RUN ["python3", "-m", "pip", "--python=/opt/floatip", "install", "--no-compile", "--require-hashes", "--requirement=/requirements/build.txt"]
COPY pyproject.toml README.md LICENSE /source/
COPY crds/floatip_api /source/crds/floatip_api
COPY nodeagent/floatip_agent /source/nodeagent/floatip_agent
COPY operator/floatip_operator /source/operator/floatip_operator
COPY cli/floatip_cli /source/cli/floatip_cli
RUN ["python3", "-m", "pip", "--python=/opt/floatip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir=/wheels", "/source"]

FROM python AS agent-packages
COPY requirements/agent.txt /requirements/
RUN ["python3", "-m", "pip", "--python=/opt/floatip", "install", "--no-compile", "--require-hashes", "--requirement=/requirements/agent.txt"]
COPY --from=wheel /wheels /wheels
RUN ["python3", "-m", "pip", "--python=/opt/floatip", "install", "--no-compile", "--no-deps", "--no-index", "--find-links=/wheels", "floatip"]
# Compiled here, once: on a read-only root nothing could be kept later. By content, as a copy may change the files' times.
RUN ["/opt/floatip/bin/python3", "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", "/opt/floatip/lib"]

FROM python AS operator-packages
COPY requirements/operator.txt /requirements/
RUN ["python3", "-m", "pip", "--python=/opt/floatip", "install", "--no-compile", "--require-hashes", "--requirement=/requirements/operator.txt"]
COPY --from=wheel /wheels /wheels
RUN ["python3", "-m", "pip", "--python=/opt/floatip", "install", "--no-compile", "--no-deps", "--no-index", "--find-links=/wheels", "floatip"]
RUN ["/opt/floatip/bin/python3", "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", "/opt/floatip/lib"]

# The interpreter without what installs or builds; as one layer, because what a later layer deletes still lies in the earlier one.
FROM ${PYTHON} AS trimmed
COPY image/trim.py /trim.py
RUN ["python3", "/trim.py"]

FROM scratch AS base
COPY --from=trimmed / /
ENV PATH=/opt/floatip/bin:/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

FROM base AS agent
COPY --from=agent-packages /opt/floatip /opt/floatip
ENTRYPOINT ["floatip-agent"]

FROM base AS operator
COPY --from=operator-packages /opt/floatip /opt/floatip
# kopf asks for a user's name, and this user has no entry in /etc/passwd.
ENV LOGNAME=floatip
USER 65532:65532
ENTRYPOINT ["floatip-operator"]
