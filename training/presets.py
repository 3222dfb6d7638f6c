"""The presets: named starting points for the options of a run. ``paper`` is the published recipe, which the defaults of
``TrainingOptions`` already are; whatever we do better lives in the others or behind an option."""

SMALL_NETWORK = dict(
    initial_weights="none", stem_kernel=3, stem_stride=1, stem_width=16, stem_pool=False, block="basic",
    widths=[16, 32, 64, 128], depths=[1, 1, 1, 1], high_pass="local_contrast", classifier_hidden=256, statistics_centres=300,
    detail_relations=True, statistics_networks=4, shifts=[1],
)
SMALL_RECIPE = dict(
    views="robust", optimizer="adamw", learning_rate=1e-3, weight_decay=1e-2,
    aligned=True, cross_entropy_weight=1.0, classifier_learning_rate=1e-3, mixed_precision="auto", held_out=0.15,
)
PRESETS = {
    "paper": {},
    "laptop": {**SMALL_NETWORK, **SMALL_RECIPE, "epochs": 800, "warmup_epochs": 25, "batch_size": 64},
    "demo": {
        **SMALL_NETWORK, **SMALL_RECIPE, "config_name": "sample", "epochs": 300, "warmup_epochs": 10, "batch_size": 32,
        "classifier_epochs": 8, "output_dir": "runs/demo",
    },
    "foundation": {
        **SMALL_RECIPE, "backbone": "vit_base_patch16_siglip_256.v2_webli", "frozen": True, "adapter_size": 256, "view_epochs": 8,
        "crop_size": 256, "epochs": 40, "warmup_epochs": 2, "batch_size": 64, "classifier_epochs": 8, "classifier_hidden": 256,
        "statistics_centres": 300, "detail_relations": True, "statistics_networks": 4,
        "output_dir": "runs/foundation",
    },
}
PRESET_HELP = {
    "paper": "ImagiNet's recipe to the letter: ResNet-50, ImageNet weights, 400 epochs",
    "laptop": "a small network on local contrast from random weights, about 20 minutes on 2 CPU cores for 500 images",
    "demo": "the same on the embedded sample, a few minutes",
    "foundation": "small layers on a frozen backbone of timm that is downloaded (SigLIP 2), each view seen once; not run with "
    "published weights",
}
