"""Tables and figures of Perceiver IO, 2107.14795 in its third version.

Numbers are in the paper's units: accuracies are in hundredths.
"""

from experiments.cli.papers import rows

_FLOW = (
  rows.Column("sintel_clean", "epe", "sintel_clean evaluation", 1),
  rows.Column("sintel_final", "epe", "sintel_final evaluation", 1),
  rows.Column("kitti_2015", "epe_by_image", "kitti_2015 evaluation", 1),
)
_GLUE = tuple(
  rows.Column(label, f"{label.replace(' ', '_')}_{metric}", "glue {part} dev")
  for label, metric in (
    ("cola", "matthews"),
    ("mnli matched", "accuracy"),
    ("mnli mismatched", "accuracy"),
    ("mrpc", "accuracy"),
    ("qnli", "accuracy"),
    ("qqp", "accuracy"),
    ("rte", "accuracy"),
    ("sst2", "accuracy"),
    ("stsb", "pearson"),
  )
)
_AVERAGE = rows.Column("average", "score", "glue 8 tasks dev")
_OTHERS = """
    PWCNet          | | 2.17 2.91 5.76 | | quoted
    RAFT            | | 1.95 2.57 4.23 | | quoted"""
TABLES = {
  "1": rows.Table(
    "GLUE, the averages of table 14",
    (rows.Column("average"),),
    "masked_language",
    """
    BERT Base (test)                 |     | 81.0 | | quoted
    BERT Base (ours), SentencePiece  | 110 | 81.1 | bert_sentencepiece
    Perceiver IO Base, SentencePiece | 223 | 81.2 | sentencepiece
    BERT (matching FLOPs), bytes     | 20  | 71.5 | bert_bytes
    Perceiver IO, bytes              | 201 | 81.0 | bytes
    Perceiver IO++, bytes            | 425 | 81.8 | bytes_large
    """,
  ),
  "2": rows.Table(
    "GLUE, eight tasks at once, by the averages of table 14",
    (_AVERAGE,),
    "glue",
    """
    Single-task query             | | 81.0 | masked_language bytes
    Shared input token            | | 81.5 | multitask_shared_token
    Task-specific input tokens    | | 81.8 | multitask_task_tokens
    Multitask query               | | 81.8 | multitask
    """,
  ),
  "3": rows.Table(
    "optical flow, end-point errors",
    _FLOW,
    "optical_flow",
    f"""{_OTHERS}
    Perceiver IO    | | 1.81 2.42 4.98 | main | autoflow
    """,
  ),
  "4": rows.Table(
    "autoencoding of Kinetics-700-2020",
    (
      rows.Column("audio PSNR", "audio_psnr", "kinetics validation", 1),
      rows.Column("video PSNR", "video_psnr", "kinetics validation", 1),
      rows.Column("top-1", "top_1", "kinetics validation"),
    ),
    "video_autoencoding",
    """
    88x: 784 latents                   | 20 | 26.97 24.37 10.2 | latents_784
    176x: 392 latents                  | 20 | 25.33 24.27 8.6  | latents_392
    352x: 196 latents                  | 20 | 14.15 23.21 11.5 | latents_196
    784 latents, label weight 1 (text) | 20 | - 20.7 45.0      | label_weight_1
    """,
  ),
  "7": rows.Table(
    "ImageNet",
    (rows.TOP_1,),
    "imagenet",
    """
    ResNet-50                       | 26    | 78.6 | | quoted
    NFNet-F6+SAM                    | 438.4 | 86.5 | | quoted
    Meta Pseudo Labels, pre-trained | 480   | 90.2 | | quoted
    ViT-B/16                        | 86    | 77.9 | | quoted
    ViT-H/14, pre-trained           | 632   | 88.6 | | quoted
    DeiT, 1000 epochs               | 87    | 85.2 | | quoted
    CaiT-M48 448                    | 356   | 86.5 | | quoted
    Perceiver (FF)                  | 42.1  | 78.6 | mean_fourier
    Perceiver IO, A (FF)            | 48.4  | 79.0 | fourier
    Perceiver IO, B (FF)            | 212   | 84.5 | large_fourier | jft
    Perceiver IO, B (FF, projected) |       | 84.5 | large_projected | projected
    Perceiver (learned)             | 55.9  | 67.6 | mean_learned
    Perceiver IO, A (learned)       | 62.3  | 72.7 | learned
    Perceiver (conv)                | 42.1  | 77.4 | mean_conv | mean_conv
    Perceiver IO, A (conv)          | 48.6  | 82.1 | conv
    Perceiver IO, B (conv)          | 212   | 86.4 | large_conv | jft
    """,
  ),
  "8": rows.Table(
    "ImageNet, training steps per second on 64 TPUv3",
    (rows.Column("steps/s"),),
    "benchmark",
    """
    Perceiver (FF)            | | 4.73 | perceiver_imagenet_1_cross_attend | tpu
    Perceiver IO, A (FF)      | | 4.85 | imagenet_fourier | tpu
    Perceiver IO, B (FF)      | | 6.41 | imagenet_large_fourier | tpu
    Perceiver (learned)       | | 4.16
      | perceiver_imagenet_1_cross_attend_learned | tpu
    Perceiver IO, A (learned) | | 4.14 | imagenet_learned | tpu
    Perceiver (conv)          | | 4.73
      | perceiver_imagenet_1_cross_attend_conv | tpu
    Perceiver IO, A (conv)    | | 5.58 | imagenet_conv | tpu
    """,
  ),
  "9": rows.Table(
    "StarCraft II",
    (rows.Column("win rate", "win_rate", "Elite bot", 1),),
    "starcraft",
    """
    Transformer     | 144 | 0.87 | transformer | game
    Perceiver IO    | 140 | 0.87 | perceiver_io_32 | game
    """,
  ),
  "10": rows.Table(
    "AudioSet",
    (rows.MAP,),
    "audioset",
    """
    Perceiver, raw          | 21.0 | 42.4 | mean_raw
    Perceiver IO, raw       | 25.0 | 43.3 | raw
    Perceiver, mel          | 21.0 | 43.6 | mean_mel
    Perceiver IO, mel       | 88.2 | 44.9 | mel | unexplained
    """,
  ),
  "14": rows.Table(
    "GLUE, development sets",
    (*_GLUE, _AVERAGE),
    "glue",
    """
    BERT Base (test) |
      | 52.10 84.60 83.40 84.80 90.50 89.20 66.40 93.50 87.10 80.95 | | quoted
    BERT Base (ours), SentencePiece |
      | 50.28 85.56 85.68 85.75 92.67 91.05 61.72 93.98 88.04 81.14
      | bert_sentencepiece_{task}
    Perceiver IO Base, SentencePiece |
      | 47.11 84.53 85.03 87.25 92.12 90.22 65.23 94.38 88.18 81.16
      | sentencepiece_{task}
    BERT (matching FLOPs), bytes |
      | 20.06 74.11 75.55 77.00 85.75 88.23 53.91 89.00 82.84 71.45
      | bert_{task}
    Perceiver IO, bytes |
      | 50.19 83.22 83.89 87.24 91.71 90.12 64.84 93.17 86.81 80.95 | {task}
    Perceiver IO++, bytes |
      | 52.54 84.13 84.91 86.03 92.06 90.46 66.54 93.98 87.93 81.76
      | bytes_large_{task}
    Multitask, shared token |
      | 47.43 82.03 82.65 89.58 90.18 89.20 82.03 93.17 77.95 81.49
      | multitask_shared_token
    Multitask, task tokens |
      | 49.06 82.14 82.64 89.84 90.53 89.40 79.69 93.17 80.02 81.76
      | multitask_task_tokens
    Multitask query |
      | 47.88 82.05 82.77 90.36 90.37 89.49 80.08 93.75 79.95 81.79 | multitask
    """,
  ),
  "15": rows.Table(
    "GLUE, latents and their channels",
    (rows.Column("average"),),
    "masked_language",
    """
    128 latents     |     | 75.84 | bytes_128_latents
    256 latents     | 201 | 80.95 | bytes
    512 latents     |     | 80.92 | bytes_512_latents
    """,
  ),
  "16": rows.Table(
    "optical flow, end-point errors",
    _FLOW,
    "optical_flow",
    f"""{_OTHERS}
    3x3 patches, concatenated  | | 1.81 2.42 4.98 | main | autoflow
    3x3 patches, separate      | | 1.78 2.70 6.19 | separate
    pixels, concatenated       | | 1.91 2.56 5.39 | pixels
    pixels, separate           | | 1.72 2.63 5.93 | pixels_separate
    convolution, concatenated  | | 1.84 2.52 4.83 | conv
    convolution, separate      | | 1.90 2.53 6.66 | conv_separate
    convolution, 16 layers     | 27.9 | 2.06 2.67 6.12 | conv_small
    """,
  ),
  "17": rows.Table(
    "autoencoding, cost",
    (rows.Column("GFLOPs, training"), rows.Column("GFLOPs, evaluation")),
    "count",
    """
    784 latents     | | 310 6850 | video_autoencoding | docs/numbers.md T17
    """,
  ),
  "H": rows.Table(
    "optical flow, frames of 1088 x 436 per second, in tiles",
    (rows.Column("TPUv3"), rows.Column("TITAN Xp")),
    "benchmark",
    """
    Perceiver IO              | | 4.4 0.8  | optical_flow | tile
    Perceiver IO, convolution | | 17.8 3.3 | optical_flow_conv | tile
    RAFT                      | | 1.6 10   | | quoted
    """,
  ),
}
