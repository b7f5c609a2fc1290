"""The machine under the measurement, and who else used it meanwhile. Linux; elsewhere the facts are None."""

import os
from pathlib import Path

# Those that decide which kernels a framework picks.
FEATURES = ("avx", "avx2", "fma", "f16c", "avx512f", "avx512vl", "avx512_vnni", "avx512_bf16", "amx_tile", "asimd", "sve")


def describe():
    fields = cpu_fields()
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    return {
        "cpu": fields.get("model name"),
        "family": fields.get("cpu family"),
        "model": fields.get("model"),
        "features": [name for name in FEATURES if name in flags],
        "cores": os.cpu_count(),
        "memory_gib": memory_gib(),
        "kernel": f"{os.uname().sysname} {os.uname().machine}",
    }


def cpu_fields():
    """The first processor's fields in /proc/cpuinfo."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    first = path.read_text().split("\n\n")[0]
    return dict((part.strip() for part in line.split(":", 1)) for line in first.splitlines() if ":" in line)


def memory_gib():
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def busy_seconds():
    """CPU seconds that the whole machine has spent working since it started, time stolen by the host included."""
    path = Path("/proc/stat")
    if not path.exists():
        return None
    user, nice, system, idle, wait, irq, soft_irq, steal = map(int, path.read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + irq + soft_irq + steal) / os.sysconf("SC_CLK_TCK")
