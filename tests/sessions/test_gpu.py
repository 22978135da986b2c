"""What NVIDIA's management library says of a machine's GPUs: in status, doctor and /metrics; a stand-in (tests/tools/fake_nvml.c) tells of
two, of which one says nothing but its name. Without the library nothing is said, and nothing fails."""
from lib import BUILD, main
from test_http import Server


def test_told(w):
    w.env["CODEASK_LIBNVML"] = str(BUILD / "libfake_nvml.so")
    s = Server(w)
    first, second = w.json("status")["gpus"]
    assert (first["name"], first["sm_mhz"], first["celsius"], first["milliwatts"]) == ("NVIDIA Fake 1", 1980, 71, 654321), first
    assert first["throttled"] and set(second) == {"name", "throttled"}, second
    text = s.ask("GET", "/metrics")[1]
    rows = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("codeask_gpu_"))
    told = {key: float(rows[f'codeask_gpu_{key}{{gpu="0"}}']) for key in ("sm_hertz", "memory_hertz", "celsius", "watts", "memory_used_bytes")}
    assert abs(told.pop("watts") - 654.321) < 1e-9
    assert told == {"sm_hertz": 1.98e9, "memory_hertz": 2.619e9, "celsius": 71, "memory_used_bytes": 20 << 30}, told
    assert not any('{gpu="1"}' in row for row in rows), "what the second does not say"
    slowed = {row for row, value in rows.items() if "throttled" in row and float(value)}
    assert len(slowed) == 1 and first["throttled"][0] in slowed.pop() and len([r for r in rows if "throttled" in r]) > 2
    gpu = next(c for c in w.json("doctor")["checks"] if c["name"] == "gpu")
    assert gpu["state"] == "warn" and "NVIDIA Fake 1: 1980 MHz, 71 °C, 654 W, slowed by " + first["throttled"][0] in gpu["message"], gpu
    assert "NVIDIA Fake 2" in gpu["message"], gpu


def test_none(w):
    w.env["CODEASK_LIBNVML"] = "/nowhere/libnvidia-ml.so.1"
    s = Server(w)
    assert not w.json("status").get("gpus") and "codeask_gpu" not in s.ask("GET", "/metrics")[1]
    gpu = next(c for c in w.json("doctor")["checks"] if c["name"] == "gpu")
    assert gpu["state"] == "ok" and "none" in gpu["message"], gpu
    memory = next(c for c in w.json("doctor")["checks"] if c["name"] == "gpu memory")
    assert memory["state"] == "ok" and "no model is on a GPU" in memory["message"] and w.json("status")["device_memory"] == {}, memory


if __name__ == "__main__":
    main(globals())
