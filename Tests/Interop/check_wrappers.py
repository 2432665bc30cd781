"""Text models inside wrappers for images and sounds: taken out of them, kept in them, and quantized in them, they compute the same."""

import json
import os
import re
import subprocess

import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from dequantizers import installed, quiet
from referee import RECAST, WORK, check, convert, quantize, recast, report

# Of the first checks, those whose names match.
ONLY = os.environ.get("RECAST_ONLY", "")
IDS = torch.randint(5, 150, (1, 24), generator=torch.Generator().manual_seed(3))
MASKED = {"gemma3": torch.zeros_like(IDS), "paligemma2": torch.ones_like(IDS)}


def text(**more):
    return dict(
        vocab_size=200, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=128, pad_token_id=0, bos_token_id=1, eos_token_id=2, **more)


SMALL = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2)
TOWER = SMALL | dict(image_size=16, patch_size=8)
CLIP = TOWER | dict(projection_dim=32)
PIXTRAL = SMALL | dict(image_size=32, patch_size=8)
AUDIO = SMALL | dict(num_mel_bins=16, max_source_positions=20)
VISION = dict(depth=1, hidden_size=32, num_heads=2, patch_size=4, out_hidden_size=64, intermediate_size=64)
OMNI = dict(d_model=32, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=64, num_mel_bins=16, output_dim=64)
PLACES = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e6}
HEADS = dict(head_dim=16)
EXPERTS = HEADS | dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=48)
STEPS = {
    "rope_type": "yarn", "rope_theta": 1e4, "factor": 16.0, "mscale": 1.0, "mscale_all_dim": 1.0, "beta_fast": 32.0, "beta_slow": 1.0,
    "original_max_position_embeddings": 8, "llama_4_scaling_beta": 0.5}
DELTA = HEADS | dict(
    linear_num_value_heads=4, linear_num_key_heads=2, linear_key_head_dim=16, linear_value_head_dim=16,
    layer_types=["linear_attention", "full_attention"],
    rope_parameters=PLACES | dict(partial_rotary_factor=0.5, mrope_section=[2, 1, 1], mrope_interleaved=True))
QUERIES = dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, encoder_hidden_size=32)
RESAMPLER = dict(resampler_n_latents=4, resampler_depth=1, resampler_n_heads=2, resampler_head_dim=8, num_key_value_heads=1)
SAM = dict(
    hidden_size=32, output_channels=32, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=8, mlp_dim=64,
    global_attn_indexes=[0], window_size=2)
CODES = dict(
    embed_dim=8, num_embeddings=16, base_channels=32, channel_multiplier=[1, 1], num_res_blocks=1, projection_dim=64,
    image_token_embed_dim=64)
SPEECH = dict(hidden_dim=32, num_layers=1, num_heads=2, dim_head=16, input_dim=16, output_dim=16, context_size=8, max_pos_emb=16)

#: Name, class without its ending, the text model's configuration, and the rest of the wrapper's.
CASES = [
    ("llava", "Llava", ("LlamaConfig", {}), dict(vision_config=("CLIPVisionConfig", CLIP))),
    ("llava_next", "LlavaNext", ("MistralConfig", HEADS), dict(vision_config=("CLIPVisionConfig", CLIP), image_grid_pinpoints=[[16, 16]])),
    ("llava_onevision", "LlavaOnevision", ("Qwen2Config", {}), dict(vision_config=("SiglipVisionConfig", TOWER), image_grid_pinpoints=[[16, 16]])),
    ("vipllava", "VipLlava", ("LlamaConfig", {}), dict(vision_config=("CLIPVisionConfig", CLIP), vision_feature_layers=[-1])),
    ("video_llava", "VideoLlava", ("LlamaConfig", {}), dict(vision_config=("CLIPVisionConfig", CLIP))),
    ("smolvlm", "SmolVLM", ("LlamaConfig", {}), dict(vision_config=TOWER)),
    ("idefics2", "Idefics2", ("MistralConfig", HEADS), dict(vision_config=TOWER, perceiver_config=RESAMPLER)),
    ("gemma3", "Gemma3", ("Gemma3TextConfig", HEADS | dict(query_pre_attn_scalar=16, sliding_window=16)), dict(vision_config=("SiglipVisionConfig", TOWER), mm_tokens_per_image=4)),
    ("paligemma2", "PaliGemma", ("Gemma2Config", HEADS | dict(query_pre_attn_scalar=16)), dict(vision_config=("SiglipVisionConfig", TOWER), projection_dim=64)),
    ("mistral3", "Mistral3", ("MistralConfig", HEADS), dict(vision_config=("PixtralVisionConfig", PIXTRAL))),
    ("ministral3", "Mistral3", ("Ministral3Config", HEADS | dict(rope_parameters=STEPS)), dict(vision_config=("PixtralVisionConfig", PIXTRAL))),
    ("lighton_ocr", "LightOnOcr", ("Qwen3Config", HEADS), dict(vision_config=("PixtralVisionConfig", PIXTRAL))),
    ("qwen2_vl", "Qwen2VL", dict(rope_parameters=PLACES), dict(vision_config=dict(depth=1, embed_dim=32, hidden_size=64, num_heads=2, patch_size=4, mlp_ratio=2))),
    ("qwen3_vl", "Qwen3VL", HEADS | dict(rope_parameters=PLACES), dict(vision_config=VISION | dict(deepstack_visual_indexes=[0]))),
    ("qwen3_vl_moe", "Qwen3VLMoe", EXPERTS | dict(rope_parameters=PLACES), dict(vision_config=VISION | dict(deepstack_visual_indexes=[0]))),
    ("llava_moe", "Llava", ("Qwen3MoeConfig", EXPERTS | dict(norm_topk_prob=True)), dict(vision_config=("CLIPVisionConfig", CLIP))),
    ("qwen2_5_omni", "Qwen2_5OmniThinker", dict(rope_parameters=PLACES), dict(vision_config=VISION, audio_config=OMNI)),
    ("qwen3_omni", "Qwen3OmniMoeThinker", EXPERTS | dict(rope_parameters=PLACES), dict(vision_config=VISION | dict(deepstack_visual_indexes=[0]), audio_config=OMNI | dict(downsample_hidden_size=16))),
    ("glm4v", "Glm4v", dict(rope_parameters=PLACES | dict(partial_rotary_factor=0.5, mrope_section=[2, 1, 1])), dict(vision_config=VISION | dict(image_size=28, patch_size=14))),
    ("voxtral", "Voxtral", HEADS | dict(model_type="llama"), dict(audio_config=AUDIO)),
    ("audioflamingo3", "AudioFlamingo3", ("Qwen2Config", {}), dict(audio_config=AUDIO)),
    ("janus", "Janus", ("LlamaConfig", {}), dict(vision_config=SMALL | dict(image_size=16, patch_size=8, projection_dim=64), vq_config=CODES)),
    ("deepseek_vl", "DeepseekVL", ("LlamaConfig", {}), dict(vision_config=("SiglipVisionConfig", TOWER))),
    ("got_ocr2", "GotOcr2", ("Qwen2Config", {}), dict(vision_config=SAM)),
    ("gemma4", "Gemma4", ("Gemma4TextConfig", HEADS | dict(
        global_head_dim=32, num_hidden_layers=4, num_kv_shared_layers=2, hidden_size_per_layer_input=8, vocab_size_per_layer_input=200,
        sliding_window=16, layer_types=["sliding_attention", "full_attention"] * 2)), dict(
            vision_config=("Gemma4VisionConfig", SMALL | dict(head_dim=16, num_key_value_heads=2, pooling_kernel_size=1, patch_size=4)),
            audio_config=None)),
    ("gemma4_moe", "Gemma4", ("Gemma4TextConfig", HEADS | dict(
        global_head_dim=32, hidden_size_per_layer_input=0, attention_k_eq_v=True, num_global_key_value_heads=1, enable_moe_block=True,
        num_experts=4, top_k_experts=2, moe_intermediate_size=48, layer_types=["sliding_attention", "full_attention"])), dict(
            vision_config=("Gemma4VisionConfig", SMALL | dict(head_dim=16, num_key_value_heads=2, pooling_kernel_size=1, patch_size=4)),
            audio_config=None)),
    ("gemma4_unified", "Gemma4Unified", ("Gemma4UnifiedTextConfig", HEADS | dict(
        global_head_dim=32, attention_k_eq_v=True, num_global_key_value_heads=1, layer_types=["sliding_attention", "full_attention"])), dict(
            vision_config=("Gemma4UnifiedVisionConfig", dict(
                patch_size=4, pooling_kernel_size=1, mm_embed_dim=48, mm_posemb_size=8, output_proj_dims=48)),
            audio_config=("Gemma4UnifiedAudioConfig", dict(audio_embed_dim=16)))),
    ("llama4", "Llama4", ("Llama4TextConfig", HEADS | dict(
        intermediate_size_mlp=96, interleave_moe_layer_step=2, num_local_experts=4, num_hidden_layers=4)), dict(
            vision_config=("Llama4VisionConfig", SMALL | dict(
                image_size=16, patch_size=8, vision_output_dim=32, projector_input_dim=32, projector_output_dim=32)))),
    ("qwen3_5", "Qwen3_5", DELTA, dict(vision_config=VISION)),
    ("qwen3_5_moe", "Qwen3_5Moe", EXPERTS | DELTA | dict(shared_expert_intermediate_size=32), dict(vision_config=VISION)),
    ("granite_speech", "GraniteSpeech", ("GraniteConfig", {}), dict(encoder_config=SPEECH, projector_config=("Blip2QFormerConfig", QUERIES), has_lora_adapter=False)),
]


def made(value, common=None):
    """A configuration of its own class, where one is named."""
    if isinstance(value, tuple):
        return getattr(transformers, value[0])(**{**(common or {}), **value[1]})
    return {**(common or {}), **value} if isinstance(value, dict) else value


def wrapper(stem, own, rest):
    torch.manual_seed(0)
    configuration = getattr(transformers, stem + "Config")(text_config=made(own, text()), **{key: made(value) for key, value in rest.items()})
    with quiet():
        return getattr(transformers, stem + "ForConditionalGeneration")(configuration).float().eval()


def logits(model, name=None):
    more = {"token_type_ids": MASKED[name]} if name in MASKED else {}
    if type(model).__name__.startswith("Llama4ForConditional"):
        model = model.language_model  # transformers 5.24 asks it for what only the whole one has
    with torch.no_grad(), quiet():
        return model(input_ids=IDS, **more).logits


def load(kind, directory):
    with quiet():
        return kind.from_pretrained(directory, dtype=torch.float32).eval()


def away(found, expected):
    return ((found - expected).norm() / expected.norm()).item()


def fused(directory):
    """The tensors of a checkpoint in one file that hold the experts of a layer."""
    with safe_open(directory / "model.safetensors", "pt") as file:
        return [name for name in file.keys() if name.endswith((".experts.gate_up_proj", ".experts.down_proj"))]


def saved(whole, directory, transposes):
    """Experts as transformers has them in memory, or with rows and columns exchanged as transformers 4 has saved Qwen3-VL-MoE."""
    with quiet():
        whole.save_pretrained(directory, save_original_format=False)
    if transposes:
        tensors = load_file(directory / "model.safetensors")
        tensors |= {name: tensors[name].transpose(1, 2).contiguous() for name in fused(directory)}
        save_file(tensors, directory / "model.safetensors", {"format": "pt"})


for name, stem, own, rest in CASES:
    if ONLY and not re.search(ONLY, name):
        continue
    if not hasattr(transformers, stem + "ForConditionalGeneration"):
        print(f"skip wrapper-{name} not in this transformers", flush=True)
        continue
    with check("wrapper-" + name):
        whole = wrapper(stem, own, rest)
        source, expected = WORK / ("wrapper-" + name), logits(whole, name)
        with quiet():
            whole.save_pretrained(source)
        family = json.loads(recast("inspect", source, "--json"))["family"]
        text_alone = load(transformers.AutoModelForCausalLM, convert(source, f"wrapper-{name}-text", "--family", family))
        worst = away(logits(text_alone), expected)
        report("wrapper-" + name, worst < 1e-5, f"{family}, {worst:.1e} of the logits")
        kept = logits(load(type(whole), convert(source, f"wrapper-{name}-own")), name)
        report(f"wrapper-{name}-kept", torch.equal(kept, expected), f"{away(kept, expected):.1e} of the logits")
        if installed("compressed-tensors") is None or fused(source):
            continue
        stored = quantize(source, f"wrapper-{name}-int8", "ct-int8")
        plain = convert(stored, f"wrapper-{name}-plain", "--dtype", "f32")
        found, numbers = (logits(load(type(whole), path), name) for path in (stored, plain))
        report(f"wrapper-{name}-ct-int8", away(found, numbers) < 1e-5 < away(found, expected), f"{away(found, numbers):.1e} of its numbers'")

# Experts of a layer in one tensor, in the own layout and in GGUF.
FUSED = [("qwen3_vl_moe", False), ("qwen3_vl_moe", True), ("qwen3_omni", False), ("llava_moe", False)]
for name, transposes in FUSED:
    stem, own, rest = next(case[1:] for case in CASES if case[0] == name)
    label = f"fused-{name}" + ("-transposed" if transposes else "")
    if not hasattr(transformers, stem + "ForConditionalGeneration"):
        print(f"skip {label} not in this transformers", flush=True)
        continue
    with check(label):
        whole = wrapper(stem, own, rest)
        source, expected = WORK / label, logits(whole)
        saved(whole, source, transposes)
        report(label, torch.equal(logits(load(type(whole), source)), expected) and len(fused(source)) == 4, "as transformers loads it")
        mine, theirs = (load_file(path / "model.safetensors") for path in (convert(source, label + "-own"), source))
        same = mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in theirs)
        report(label + "-own", same and torch.equal(logits(load(type(whole), WORK / (label + "-own"))), expected), f"{len(theirs)} tensors")
        half = load(type(whole), convert(source, label + "-bf16", "--dtype", "bf16"))
        for key, tensor in whole.state_dict().items():
            if ".visual." not in key and "vision" not in key and "audio" not in key:
                tensor.copy_(tensor.bfloat16())
        found, numbers = logits(half), logits(whole)
        report(label + "-bf16", away(found, numbers) < 1e-6 < away(numbers, expected), f"{away(found, numbers):.1e} of its numbers'")
        recast("convert", source, WORK / (label + ".gguf"), "--force", "--quiet")
        family = json.loads(recast("inspect", source, "--json"))["family"]
        back = load(transformers.AutoModelForCausalLM, convert(WORK / (label + ".gguf"), label + "-back"))
        report(label + "-gguf-and-back", away(logits(back), expected) < 1e-5, f"{away(logits(back), expected):.1e} of the logits")
        if name != "qwen3_vl_moe":
            if installed("compressed-tensors") is not None:
                stored = quantize(source, label + "-int8", "ct-int8")
                plain = convert(stored, label + "-plain", "--dtype", "f32")
                found, numbers = (logits(load(type(whole), path)) for path in (stored, plain))
                report(label + "-ct-int8", away(found, numbers) < 1e-5 < away(found, expected), f"{away(found, numbers):.1e} of its numbers'")
            continue
        # transformers reads no matrices of single experts here.
        for encoding in ("ct-int8", "fp8", "nf4"):
            command = [RECAST, "quantize", source, WORK / (label + "-codes"), "--encoding", encoding]
            done = subprocess.run(command, capture_output=True, text=True)
            told = done.stderr.splitlines()[0] if done.stderr else ""
            report(f"{label}-{encoding}-is-refused", done.returncode == 69 and f"--family {family}" in told, told[:200])
