"""Tables and figures of the Perceiver, 2103.03206 in its second version.

Numbers are in the paper's units: accuracies are in hundredths.
"""

from experiments.cli.papers import rows

TABLES = {
  "1": rows.Table(
    "ImageNet",
    (rows.TOP_1,),
    "imagenet",
    """
    ResNet-50               | | 77.6 | | quoted
    ViT-B/16                | | 77.9 | | quoted
    ResNet-50 (FF)          | | 73.5 | resnet
    ViT-B/16 (FF)           | | 76.7 | vit
    Transformer (64x64, FF) | | 57.0 | transformer | sizes
    Perceiver (FF)          | 44.9 | 78.0 | perceiver
    """,
  ),
  "2": rows.Table(
    "ImageNet, pixels permuted, the same way in all images",
    (rows.TOP_1._replace(label="raw"), rows.TOP_1._replace(label="permuted")),
    "imagenet",
    """
    ResNet-50 (FF)          | | 73.5 39.4 | resnet, resnet_permuted
    ViT-B/16 (FF)           | | 76.7 61.7 | vit, vit_permuted
    Transformer (64x64, FF) | | 57.0 57.0 | transformer, transformer_permuted
      | sizes
    Perceiver (FF)          | | 78.0 78.0 | perceiver, perceiver_permuted
    Perceiver (learned) | | 70.9 70.9
      | perceiver_learned, learned_permuted
    """,
  ),
  "3": rows.Table(
    "AudioSet, audio, video and both",
    tuple(rows.MAP._replace(label=label) for label in ("A", "V", "A+V")),
    "audioset",
    """
    Benchmark (Gemmeke et al., 2017) | | 31.4 | | quoted
    Attention (Kong et al., 2018)    | | 32.7 | | quoted
    Multi-level attention            | | 36.0 | | quoted
    ResNet-50 (Ford et al., 2019)    | | 38.0 | | quoted
    CNN-14                           | | 43.1 | | quoted
    CNN-14, no balancing, no mixup   | | 37.5 | | quoted
    G-blend                          | | 32.4 18.8 41.8 | | quoted
    Attention AV-fusion              | | 38.4 25.7 46.2 | | quoted
    Perceiver (raw) | | 38.3 25.8 43.5
      | perceiver_raw_alone, perceiver_video_alone, perceiver_raw
    Perceiver (mel) | | 38.4 25.8 43.2
      | perceiver_mel_alone, perceiver_video_alone, perceiver_mel
    Perceiver (mel, tuned) | | - - 44.2 | , , perceiver_mel_tuned
    """,
  ),
  "4": rows.Table(
    "ModelNet40; of every model the best score on the test split",
    (rows.Column("top-1", "top_1", "modelnet40 test"),),
    "modelnet40",
    """
    PointNet++               | | 91.9 | | quoted
    ResNet-50 (FF)           | | 66.3 | resnet
    ViT-B-2 (FF)             | | 78.9 | vit_2
    ViT-B-4 (FF)             | | 73.4 | vit_4
    ViT-B-8 (FF)             | | 65.3 | | grid
    ViT-B-16 (FF)            | | 59.6 | | grid
    Transformer (44x44)      | | 82.1 | transformer_44 | sizes
    Perceiver                | | 85.7 | main
    Perceiver, not shared    | | 85.7 | unshared | sharing
    """,
  ),
  "5": rows.Table(
    "cross-attends alone, no latent Transformer, nothing shared",
    (rows.TOP_1,),
    "imagenet",
    """
    4  | 12.7 | 39.4 | perceiver_4_alone
    8  | 23.8 | 45.3 | perceiver_8_alone
    12 | 34.9 | - | perceiver_12_alone
      | the paper ran out of memory
    """,
  ),
  "6": rows.Table(
    "number and places of the cross-attends",
    (rows.TOP_1,),
    "imagenet",
    """
    1 at start      | 41.1 | 76.7 | perceiver_1_interleaved | one place
    1 interleaved   | 42.1 | 76.7 | perceiver_1_interleaved | one place
    2 at start      | 44.9 | 76.7 | perceiver_2_at_start
    2 interleaved   | 44.9 | 76.5 | perceiver_2_interleaved
    4 at start      | 44.9 | 75.9 | perceiver_4_at_start
    4 interleaved   | 44.9 | 76.5 | perceiver_4_interleaved
    8 at start      | 44.9 | 73.7 | perceiver_8_at_start
    8 interleaved   | 44.9 | 78.0 | perceiver
    """,
  ),
  "7": rows.Table(
    "sharing of weights",
    (rows.TOP_1,),
    "imagenet",
    """
    none            | 326.2 | 72.9 | perceiver_unshared
    shared          | 44.9  | 78.0 | perceiver
    """,
  ),
  "fig3": rows.Table(
    "attention maps",
    (rows.Column("plots"),),
    "imagenet",
    """
    ImageNet                | | | perceiver | maps
    AudioSet (appendix E)   | | | audioset perceiver_fine | maps
    """,
  ),
  "fig5": rows.Table(
    "a small model's sizes, one varied at a time",
    (rows.TOP_1,),
    "imagenet",
    """
    base                    | | - | sweep_base             | plot
    64 latents              | | - | sweep_64_latents       | plot
    128 latents             | | - | sweep_128_latents      | plot
    256 latents             | | - | sweep_256_latents      | plot
    1024 latents            | | - | sweep_1024_latents     | plot
    128 channels            | | - | sweep_128_channels     | plot
    256 channels            | | - | sweep_256_channels     | plot
    1024 channels           | | - | sweep_1024_channels    | plot
    1 self-attend a block   | | - | sweep_1_self_attend    | plot
    2 self-attends a block  | | - | sweep_2_self_attends   | plot
    8 self-attends a block  | | - | sweep_8_self_attends   | plot
    1 cross-attend          | | - | sweep_1_cross_attend   | plot
    4 cross-attends         | | - | sweep_4_cross_attends  | plot
    8 cross-attends         | | - | sweep_8_cross_attends  | plot
    """,
  ),
  "fig6": rows.Table(
    "initial scale of the latents, and Fourier codes",
    (rows.TOP_1,),
    "imagenet",
    """
    scale 0.02, 64 bands, resolution 224 | | - | codes_base | plot
    scale 0.1                            | | - | codes_scale_0.1 | plot
    scale 1                              | | - | codes_scale_1 | plot
    4 bands                              | | - | codes_4_bands | plot
    16 bands                             | | - | codes_16_bands | plot
    32 bands                             | | - | codes_32_bands | plot
    resolution 56                        | | - | codes_resolution_56 | plot
    resolution 112                       | | - | codes_resolution_112 | plot
    """,
  ),
}
