# The image of the action. GitHub runs it as root, mounts the runner's folders under /github and passes inputs
# as environment variables, so there is no USER, no WORKDIR, and an absolute entry point that needs no shell.
ARG PYTHON_VERSION=3.13
ARG KUSTOMIZE_VERSION=v5.5.0

FROM registry.k8s.io/kustomize/kustomize:${KUSTOMIZE_VERSION} AS kustomize

FROM python:${PYTHON_VERSION}-slim-bookworm AS build
COPY requirements/runtime.txt /tmp/runtime.txt
# A virtual environment without pip of its own: the base image's pip installs into it, and stays behind.
RUN python3 -m venv --without-pip /opt/secret-sync \
 && python3 -m pip --python /opt/secret-sync/bin/python3 install \
      --no-cache-dir --no-compile --only-binary :all: --require-hashes --requirement /tmp/runtime.txt
# What a release never loads: the Kubernetes client's asyncio twin with the HTTP stack that only it uses, and
# the API models of all AWS services but three. The last line fails the build when too much was taken away.
RUN python3 -m pip --python /opt/secret-sync/bin/python3 uninstall --yes --quiet \
      aiohttp aiohttp-retry aiohappyeyeballs aiosignal frozenlist multidict propcache yarl \
 && site=$(/opt/secret-sync/bin/python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
 && rm -r "$site/kubernetes/aio" "$site/boto3/examples" \
 && find "$site/botocore/data" -mindepth 1 -maxdepth 1 -type d \
      ! -name ssm ! -name sts ! -name eks -exec rm -r {} + \
 && AWS_DEFAULT_REGION=us-east-1 /opt/secret-sync/bin/python3 -B -c \
      'import boto3, github, jinja2, jsonschema, jwt, kubernetes, yaml; [boto3.client(s) for s in ("ssm", "sts", "eks")]; kubernetes.client.CoreV1Api()'
COPY entrypoint.py /opt/secret-sync/
COPY secret_action /opt/secret-sync/secret_action
# Byte code that is trusted without looking at its source: file times do not survive every way an image is
# built or copied, and byte code that looks stale would be compiled anew at the start of every release.
RUN /opt/secret-sync/bin/python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/secret-sync

FROM python:${PYTHON_VERSION}-slim-bookworm
COPY --from=kustomize /app/kustomize /usr/local/bin/kustomize
COPY --from=build /opt/secret-sync /opt/secret-sync
# -E: a job's PYTHONPATH or PYTHONHOME is meant for the job's own Python. -B: the byte code is there already.
# -u: what a release has done is in the log before it goes on.
ENTRYPOINT ["/opt/secret-sync/bin/python3", "-EBu", "/opt/secret-sync/entrypoint.py"]
