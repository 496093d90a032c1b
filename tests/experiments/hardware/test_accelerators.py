import pytest

from experiments.hardware import accelerators


@pytest.mark.parametrize(
  ("name", "chips", "devices", "topology", "gigabytes"),
  [
    ("tpu-v3-32", 16, 32, "v3:4x4", 17.2),
    ("tpu-v4-8", 4, 8, "v4:2x2x1", 17.2),
    ("tpu-v5e-1", 1, 1, "v5e:2x2", 17.2),
    ("tpu-v5e-64", 64, 64, "v5e:8x8", 17.2),
    ("tpu-v5p-256", 128, 128, "v5p:4x4x8", 102.0),
    ("tpu-v6e-8", 8, 8, "v6e:2x4", 34.4),
    ("h100", 1, 1, "1x1x1", 84.9),
    ("a100-80gb-8", 8, 8, "1x1x8", 85.1),
  ],
)
def test_names_count_as_providers_do(name, chips, devices, topology, gigabytes):
  found = accelerators.find(name)
  assert (found.chips, found.num_devices) == (chips, devices)
  assert found.topology == topology
  assert found.memory / 1e9 == pytest.approx(gigabytes, abs=0.05)


@pytest.mark.parametrize(
  ("generation", "gigahertz"),  # as published
  [("v3", 0.94), ("v4", 1.05), ("v5e", 1.5), ("v5p", 1.75), ("v6e", 1.75)],
)
def test_clocks_follow_from_rates(generation, gigahertz):
  clock = accelerators.find(f"tpu-{generation}-8").clock
  assert clock / 1e9 == pytest.approx(gigahertz, rel=0.005)


@pytest.mark.parametrize("name", accelerators.names())
def test_all_that_is_listed_is_found(name):
  found = accelerators.find(name)
  assert found.name == name
  assert name in found.describe()


@pytest.mark.parametrize(
  "name", ["", "tpu", "tpu-v5e", "tpu-v5e-3", "tpu-v9-8", "h100-3", "v5e-8"]
)
def test_other_names_are_refused(name):
  message = f"no hardware '{name}.*expected tpu-.*h100.*--on list"
  with pytest.raises(accelerators.HardwareError, match=message):
    accelerators.find(name)


@pytest.mark.parametrize(
  ("name", "extra"), [("tpu-v5e-4", "tpu"), ("h100-2", "preflight-cuda")]
)
def test_compiler_that_is_not_there_is_named(name, extra, monkeypatch):
  monkeypatch.setattr(accelerators.importlib.util, "find_spec", lambda _: None)
  with pytest.raises(accelerators.HardwareError, match=rf"'\.\[{extra}\]'"):
    accelerators.devices(accelerators.find(name))


@pytest.mark.parametrize("name", ["tpu-v5e-4", "h100-2"])
def test_compiler_gives_devices(name):
  accelerator = accelerators.find(name)
  if not accelerators.has_compiler(accelerator):
    pytest.skip("no compiler for it")
  devices = accelerators.devices(accelerator)
  assert len(devices) == accelerator.num_devices
  assert devices[0].platform != "cpu"
