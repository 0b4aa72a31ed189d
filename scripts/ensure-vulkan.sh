#!/bin/sh
# Make sure that WebGPU has a Vulkan driver to run on; Mesa's software driver, llvmpipe, will do.
# Silent when there is one. Installs it where apt-get may be used; otherwise says what to install.
# PYTHON names the interpreter that is asked whether the Vulkan loader can be opened.
set -eu

PYTHON=${PYTHON:-python3}

has_loader() {
    "$PYTHON" -c 'import ctypes; ctypes.CDLL("libvulkan.so.1")' 2>/dev/null && return 0
    { ldconfig -p || /sbin/ldconfig -p; } 2>/dev/null | grep -q 'libvulkan\.so\.1'
}

# The loader takes drivers from VK_DRIVER_FILES alone where it is set (VK_ICD_FILENAMES is its old
# name), and else from vulkan/icd.d under the configuration and data folders:
# https://github.com/KhronosGroup/Vulkan-Loader/blob/main/docs/LoaderDriverInterface.md
has_driver() {
    files=${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-}}
    if [ -n "$files" ]; then
        each_exists "$files"
        return
    fi
    config=${XDG_CONFIG_HOME:-${HOME:-}/.config}:${XDG_CONFIG_DIRS:-/etc/xdg}:/etc:/usr/local/etc
    data=${XDG_DATA_HOME:-${HOME:-}/.local/share}:${XDG_DATA_DIRS:-}:/usr/local/share:/usr/share
    any_manifest "$config:$data"
}

# Called with a colon-separated list. Subshells keep the changed IFS and `set -f` to themselves.
each_exists() (
    IFS=:
    set -f
    for path in $1; do
        [ -e "$path" ] || exit 1
    done
)

any_manifest() (
    IFS=:
    for folder in $1; do
        for manifest in "$folder"/vulkan/icd.d/*.json; do
            [ -e "$manifest" ] && exit 0
        done
    done
    exit 1
)

ready() {
    has_loader && has_driver
}

# Runs a command as root; fails where that would take a password.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

install_with_apt() {
    command -v apt-get >/dev/null || return 1
    as_root true 2>/dev/null || return 1
    echo "installing a software Vulkan driver: mesa-vulkan-drivers, libvulkan1" >&2
    log=$(mktemp)
    if as_root apt-get -qq update >"$log" 2>&1 </dev/null &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
            mesa-vulkan-drivers libvulkan1 >>"$log" 2>&1 </dev/null; then
        rm -f "$log"
    else
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
}

# macOS has Metal, and Windows has Direct3D 12.
[ "$(uname -s)" = Linux ] || exit 0

ready && exit 0

if [ -n "${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-}}" ] && ! has_driver; then
    echo "wgrad: VK_DRIVER_FILES or VK_ICD_FILENAMES names a file that does not exist: correct or unset it" >&2
    exit 1
fi

install_with_apt && ready && exit 0

echo "wgrad: no Vulkan driver was found; install one" \
    "(Debian, Ubuntu: apt-get install mesa-vulkan-drivers libvulkan1;" \
    "Fedora: dnf install mesa-vulkan-drivers vulkan-loader;" \
    "Arch: pacman -S vulkan-swrast vulkan-icd-loader)" >&2
exit 1
