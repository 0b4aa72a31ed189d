#!/bin/sh
# Run a command with SwiftShader as the only Vulkan driver, where Chromium or Chrome brings it, and
# with the drivers of the system elsewhere. Dawn wants more of Vulkan than Mesa's older software
# driver has.
set -eu

for folder in /usr/lib/chromium /usr/lib/chromium-browser /usr/lib64/chromium-browser \
    /opt/google/chrome; do
    if [ -z "${VK_DRIVER_FILES:-}" ] && [ -e "$folder/vk_swiftshader_icd.json" ]; then
        export VK_DRIVER_FILES="$folder/vk_swiftshader_icd.json"
        export VK_ICD_FILENAMES="$VK_DRIVER_FILES" # its old name
    fi
done
exec "$@"
