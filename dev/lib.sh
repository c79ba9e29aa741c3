# shellcheck shell=bash
# Sourced by the scripts of this folder: where things are, and how they speak.

set -euo pipefail

# shellcheck disable=SC2034 # for the scripts that source this one
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# Everything slow to make and safe to keep lives here, so that a fresh clone starts warm.
CACHE="${INTERACTION_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/interaction-service}"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$CACHE/target}"
# Components may be built by another compiler than the natives: their artifacts must not mix.
# shellcheck disable=SC2034
WASM_TARGET_DIR="${CARGO_TARGET_DIR%/}-wasm"
mkdir -p "$CACHE"

# One line of progress, on stderr: stdout belongs to answers.
say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }

die() {
    say "$*"
    exit 1
}

may_be_root() { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; }

# Runs a command as root, by sudo where needed.
as_root() {
    may_be_root || die "needs root for: $* (no sudo on PATH)"
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -- "$@"; fi
}

# The names of the components, each of which is a package too, as spin.toml has them.
components() { sed -n 's/^\[component\.\([a-z0-9-]*\)\]$/\1/p' "$ROOT/spin.toml"; }

# Whether what a Debian package has is installed. Where there is no dpkg, that is found out by trying it.
have_package() {
    if command -v dpkg-query >/dev/null; then
        dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
        return
    fi
    local PATH="$PATH:/usr/sbin"
    case "$1" in
        zlib1g-dev) pkg-config --exists zlib ;;
        libssl-dev) pkg-config --exists openssl ;;
        util-linux) command -v setpriv ;;
        procps) command -v pgrep ;;
        redis-tools) command -v redis-cli ;;
        mariadb-server) command -v mariadbd ;;
        openjdk-17-jdk-headless) command -v java ;;
        maven) command -v mvn ;;
        nodejs) command -v node ;;
        mariadb-client) command -v mariadb ;;
        *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

# The names that Fedora has for Debian's packages.
for_fedora() {
    local package
    for package in "$@"; do
        case "$package" in
            g++) echo gcc-c++ ;;
            pkg-config) echo pkgconf ;;
            zlib1g-dev) echo zlib-devel ;;
            libssl-dev) echo openssl-devel ;;
            redis-server | redis-tools) echo valkey-compat-redis ;;
            procps) echo procps-ng ;;
            openjdk-17-jdk-headless) echo java-latest-openjdk-headless ;;
            *) echo "$package" ;;
        esac
    done | sort -u | paste -sd ' '
}

# Runs a command and keeps its output in a log; shows the log's end only if it fails.
quietly() {
    local log="$CACHE/log/$1"
    shift
    mkdir -p "$CACHE/log"
    "$@" >"$log" 2>&1 </dev/null && return
    tail -n 30 "$log" >&2
    die "failed: $* (all of its output: $log)"
}

# Installs the Debian packages that are missing among those named. No service is started: the
# policy below answers "not allowed" for as long as the installation runs, and is then removed.
install_packages() {
    local missing=() package guard=/usr/sbin/policy-rc.d guarded=0
    for package in "$@"; do
        have_package "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null; then
        ! command -v dnf >/dev/null || die "some programs are missing: sudo dnf install $(for_fedora "${missing[@]}")"
        die "some programs are missing. Install what Debian calls ${missing[*]}"
    fi
    may_be_root || die "some programs are missing, and there is no sudo. As root: apt-get install ${missing[*]}"
    say "installing ${missing[*]}"
    # Lists of an old image name files that the archive no longer has.
    (quietly apt-update as_root apt-get -q update) ||
        die "cannot reach the Debian archive: is this machine on the network? Then run the same command again."
    if [ ! -e "$guard" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$guard" >/dev/null
        as_root chmod 755 "$guard"
        guarded=1
    fi
    local result=0
    (quietly apt-install as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y --no-install-recommends install "${missing[@]}") || result=$?
    [ $guarded = 0 ] || as_root rm -f "$guard"
    return $result
}

# Readies apt for the packages of another Debian release, in a folder of its own and without installing anything; then
# apt-get takes "${APT_OPTIONS[@]}".
other_release() {
    local release="$1" apt="$2" site keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    # The machine's own mirror with only the release's name changed: what is reachable stays reachable.
    site="$(debian_mirror)"
    if [ -z "$site" ]; then
        quietly apt-update as_root apt-get -q update
        site="$(debian_mirror)"
    fi
    [ -n "$site" ] || die "apt has no source of Debian bookworm main to derive that of $release from"
    rm -rf "$apt"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/parts"
    # Debian's keyring holds the later releases' keys too.
    printf 'deb %s%s %s main\n' "$([ ! -e $keyring ] || echo "[signed-by=$keyring] ")" "$site" "$release" \
        >"$apt/sources.list"
    APT_OPTIONS=(
        -o "Dir::Etc::sourcelist=$apt/sources.list" -o "Dir::Etc::sourceparts=$apt/parts"
        -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o "APT::Sandbox::User=root"
    )
    quietly "$release-update" apt-get -q "${APT_OPTIONS[@]}" update
}

# The address of this machine's mirror of the Debian archive.
debian_mirror() {
    # shellcheck disable=SC2016 # apt's own variables
    apt-get indextargets --format '$(REPO_URI)' \
        'Created-By: Packages' 'Codename: bookworm' 'Component: main' 2>/dev/null | head -n 1
}
