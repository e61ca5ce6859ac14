#!/usr/bin/env bash
# Prepares everything that Linli needs, once: `scripts/setup.sh run` for the product, `scripts/setup.sh demo` for the
# demonstration (the weights of its face models too), `scripts/setup.sh dev` for tests.
# It is quick when nothing has changed. It installs system packages where it may, and says exactly what to install where not.
set -euo pipefail
cd "$(dirname "$0")/.."
want=${1:-dev}

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
fail() { printf '\033[1merror:\033[0m %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo "$@"; else return 1; fi
}

updated=no
refresh_packages() {
    if [ "$updated" = no ]; then as_root apt-get -o Acquire::Retries=3 update -qq >&2 && updated=yes || true; fi
}

# install_packages PACKAGE...: with apt where that is allowed, otherwise words that tell what to do.
install_packages() {
    if command -v apt-get >/dev/null; then
        say "installing with apt: $*"
        refresh_packages
        # RUNLEVEL=1 tells Debian's scripts to start no service where there is no systemd.
        if as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -o Acquire::Retries=3 install -y -qq --no-install-recommends "$@" >/dev/null; then return; fi
        fail "these packages are needed and could not be installed: $*
    Install them yourself, then call the same command again:
        sudo apt-get update && sudo apt-get install -y $*"
    fi
    fail "these programs are needed and this system has no apt: $*. Install them with your system's package manager, then call the same command again."
}

# Debian calls it chromium; Ubuntu has it as chromium-browser, which brings a snap.
chromium_package() {
    if command -v apt-cache >/dev/null; then
        refresh_packages
        if [ -z "$(apt-cache madison chromium 2>/dev/null)" ] && [ -n "$(apt-cache madison chromium-browser 2>/dev/null)" ]; then
            echo chromium-browser
            return
        fi
    fi
    echo chromium
}

python=
for candidate in python3.11 python3.12 python3.13 python3; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || fail "Python 3.11 or newer is needed; on Debian or Ubuntu: sudo apt-get install -y python3"

if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    say "creating .venv with $python"
    rm -rf .venv
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        # Debian ships the venv module in a package of its own, named after the interpreter's version.
        version=$("$python" -c 'import sys; print(f"{sys.version_info[0]}.{sys.version_info[1]}")')
        install_packages "python$version-venv"
    fi
    "$python" -m venv .venv
fi

lock=requirements/runtime.txt
[ "$want" = dev ] && lock=requirements/dev.txt
stamp=.venv/.linli-$(cat "$lock" pyproject.toml | sha256sum | cut -c1-16)
if [ ! -e "$stamp" ]; then
    say "installing the locked dependencies from $lock"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
    touch "$stamp"
fi

# The weights of the face models: 100 MB, pinned among what developers install. Without them a gate knows cards and passes.
if [ "$want" = demo ] && ! .venv/bin/python -c 'from importlib.metadata import version; version("face_recognition_models")' 2>/dev/null; then
    say "installing the weights of the face models (100 MB, once)"
    weights=$(awk '/^face-recognition-models==/ { on = 1 } on { print } on && !/\\$/ { exit }' requirements/dev.txt)
    if ! .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-build-isolation -r <(printf '%s\n' "$weights"); then
        say "they could not be installed: the gate will take cards and passes, and know no faces. The next call tries again."
    fi
fi

packages=()
export PATH="$PATH:/usr/sbin:/usr/local/sbin"
command -v mosquitto >/dev/null && command -v mosquitto_passwd >/dev/null || packages+=(mosquitto)
if [ "$want" = dev ]; then
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || packages+=("$(chromium_package)")
    # The tests start a PostgreSQL of their own; a cluster that Debian would start for everybody is not wanted.
    if ! command -v initdb >/dev/null && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
        if [ ! -e /etc/postgresql-common ]; then
            as_root sh -c 'mkdir -p /etc/postgresql-common && echo create_main_cluster = false >/etc/postgresql-common/createcluster.conf' || true
        fi
        packages+=(postgresql)
    fi
    # The tests start these stores of time series themselves; servers that Debian would start for everybody, at once and
    # at every boot, are not wanted. A masked unit starts only after `systemctl unmask`.
    for pair in influxd:influxdb victoria-metrics:victoria-metrics; do
        if ! command -v "${pair%%:*}" >/dev/null; then
            packages+=("${pair##*:}")
            if command -v systemctl >/dev/null; then as_root systemctl --quiet mask "${pair##*:}.service" >/dev/null 2>&1 || true; fi
        fi
    done
    # Without a Chinese font, a browser on a server draws boxes.
    command -v fc-list >/dev/null && [ -n "$(fc-list :lang=zh 2>/dev/null)" ] || packages+=(fontconfig fonts-noto-cjk)
fi
[ ${#packages[@]} = 0 ] || install_packages "${packages[@]}"
