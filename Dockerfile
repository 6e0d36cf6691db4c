# The locked environment and the commands of the README. Build in a checkout; name the data folder to use a copy:
#   docker build -t rollstate .
#   docker run --rm -v "$PWD/_build:/rollstate/_build" -v "$DATA:/data:ro" -e ROLLSTATE_DATA=/data rollstate make book
FROM python:3.11-slim-bookworm
RUN apt-get update \
 && apt-get install -y --no-install-recommends make git chromium \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /rollstate
# The environment first: it changes less often than the code.
COPY pyproject.toml requirements.lock Makefile README.md LICENSE ./
COPY src/rollstate/__init__.py src/rollstate/
COPY tools/check_python.py tools/
COPY data/manifest.json data/
COPY data/sample data/sample
COPY data/addresses data/addresses
RUN make .venv/.locked
COPY . .
ENV PATH="/rollstate/.venv/bin:$PATH"
CMD ["make", "book"]
