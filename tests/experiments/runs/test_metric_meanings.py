"""Every metric that a page may show is explained there."""

from experiments.cli import registry
from experiments.language.glue import glue_tasks
from experiments.runs import metric_meanings


def test_metrics_of_all_published_results_have_a_meaning():
  metrics = {
    result.metric
    for name in registry.names()
    for choice in registry.choices(name)
    if choice.result is not None
    for result in choice.result.row()
  }
  assert len(metrics) > 10
  assert not [m for m in metrics if not metric_meanings.of(m).text]


def test_metrics_of_parts_name_the_part():
  of = metric_meanings.of
  assert of("top_1").text == "share of examples whose likeliest class is right"
  assert "5 likeliest" in of("top_5").text
  assert "40+ pixels" in of("epe_s40+").text
  assert of("epe_occluded").unit == "pixels"
  assert of("mean_audio_psnr").unit == "dB"
  assert of("action_accuracy").text == "share of units with the right action"
  assert of("mnli_matched_accuracy").text.endswith(" in MNLI matched")
  for task in glue_tasks.TASKS.values():  # whose folders have official names
    for metric in task.main_metrics:
      assert of(metric).text.split(" in ")[1].startswith(task.folder)


def test_metrics_of_ones_own_need_no_meaning():
  assert metric_meanings.of("my_number") == metric_meanings.Meaning()
