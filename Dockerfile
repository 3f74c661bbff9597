# Images from one file: `argon2` (the password hash, compiled for x86-64-v3), `build` (packages and static files), `server`
# (what runs), `bench` (what measures it).
# The base is pinned by the digest of its multi-platform index: `docker buildx imagetools inspect python:3.11.14-slim-bookworm`.

FROM python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d AS argon2
# The only stage with a compiler. What it makes is taken where the processor has AVX2; on other machines it makes nothing.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/* \
    && python -m venv /opt/stepward
WORKDIR /build
COPY .ci/argon2 .ci/argon2
COPY requirements/native.txt requirements/runtime.txt requirements/
RUN .ci/argon2 /opt/stepward requirements/runtime.txt && mkdir -p /opt/stepward/x86-64-v3

FROM python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/stepward
# `otel` adds what sends traces.
ARG DEPENDENCIES=runtime
COPY requirements/${DEPENDENCIES}.txt /tmp/runtime.txt
# Wheels only, each by its hash.
RUN /opt/stepward/bin/pip install --require-hashes --only-binary :all: --requirement /tmp/runtime.txt
COPY --from=argon2 /opt/stepward/x86-64-v3 /opt/stepward/x86-64-v3
WORKDIR /app
COPY manage.py pyproject.toml ./
COPY config config
COPY identity identity
COPY mfa mfa
# Collected under the default settings, whose secrets are made in this stage and stay in it.
RUN STEPWARD_VAR=/tmp/var /opt/stepward/bin/python manage.py collectstatic --no-input --verbosity 0 \
    && mkdir -p /app/var \
    && mv /tmp/var/static /app/var/static \
    && rm -r /tmp/var \
    && /opt/stepward/bin/python -m compileall -q /app/config /app/identity /app/mfa

FROM build AS bench
COPY requirements/development.txt /tmp/development.txt
RUN /opt/stepward/bin/pip install --require-hashes --only-binary :all: --requirement /tmp/development.txt
COPY bench bench
COPY tests tests
COPY demo demo
# PostgreSQL's initdb asks for the name of who runs it.
RUN groupadd --gid 10001 stepward \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin stepward
ENV PATH=/opt/stepward/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
CMD ["python", "-m", "bench", "--no-peers", "--no-write"]

FROM python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d AS server
RUN groupadd --gid 10001 stepward \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin stepward
COPY --from=build /opt/stepward /opt/stepward
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/opt/stepward/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=config.settings.production \
    PORT=5000
USER 10001:10001
EXPOSE 5000
HEALTHCHECK --interval=5s --timeout=4s --retries=4 --start-period=60s \
    CMD ["python", "-m", "config.probe", "http://127.0.0.1:5000/readyz"]
CMD ["python", "manage.py", "serve", "--no-migrate"]
