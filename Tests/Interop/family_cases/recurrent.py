"""Recurrent layers: gated delta nets, short convolutions, state spaces."""

from .common import HALF, ROPE

HYBRID = dict(layer_types=["linear_attention", "full_attention"])
QUARTER = ROPE | {"partial_rotary_factor": 0.25}
# Two value heads for each key head.
DELTA = HYBRID | dict(
    head_dim=32, linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=8, linear_value_head_dim=8,
    linear_conv_kernel_dim=4)
SECTIONS = QUARTER | {"mrope_section": [2, 1, 1], "mrope_interleaved": True}
GRANITE = dict(
    layer_types=["mamba", "attention"], mamba_n_heads=8, mamba_d_head=8, mamba_n_groups=2, mamba_d_state=16, mamba_chunk_size=8,
    shared_intermediate_size=24, intermediate_size=16, embedding_multiplier=6.0, logits_scaling=4.0, residual_multiplier=0.25,
    attention_multiplier=0.25, tie_word_embeddings=True)
NEMOTRON = dict(
    num_hidden_layers=4, head_dim=16, mamba_num_heads=8, mamba_head_dim=8, n_groups=2, ssm_state_size=16, chunk_size=8,
    layer_norm_epsilon=1e-5, time_step_min=0.001)
MIXERS = {"layer_types": ["mamba", "attention"]}
NO_ATTENTION = dict.fromkeys(("num_attention_heads", "num_key_value_heads", "max_position_embeddings"), ...)
NO_EXPERTS = dict.fromkeys(
    ("n_routed_experts", "num_experts_per_tok", "n_shared_experts", "moe_intermediate_size", "moe_shared_expert_intermediate_size",
     "n_group", "topk_group", "norm_topk_prob", "routed_scaling_factor"), ...)
# By name: the class of the configuration, what is unusual, and what published configurations say besides.
CASES = {
    "qwen3_next": ("Qwen3NextConfig", DELTA | dict(
        moe_intermediate_size=16, shared_expert_intermediate_size=24, num_experts=4, num_experts_per_tok=2,
        rope_parameters=QUARTER), {}),
    "qwen3_5": ("Qwen3_5TextConfig", DELTA | dict(rope_parameters=SECTIONS), {}),
    "qwen3_5_moe": ("Qwen3_5MoeTextConfig", DELTA | dict(
        moe_intermediate_size=16, shared_expert_intermediate_size=24, num_experts=4, num_experts_per_tok=2,
        rope_parameters=SECTIONS), {}),
    "lfm2": ("Lfm2Config", dict(
        layer_types=["conv", "full_attention"], conv_L_cache=3, norm_eps=1e-5, tie_word_embeddings=True, rope_parameters=ROPE,
        block_auto_adjust_ff_dim=True, block_multiple_of=16, block_ffn_dim_multiplier=1.0), {}),
    "lfm2_moe": ("Lfm2MoeConfig", dict(
        num_hidden_layers=3, layer_types=["conv", "full_attention", "conv"], moe_intermediate_size=16, num_experts=4,
        num_experts_per_tok=2, num_dense_layers=1, norm_eps=1e-5, tie_word_embeddings=True, rope_parameters=ROPE), {}),
    "mamba": ("MambaConfig", dict(
        intermediate_size=64, state_size=8, expand=2, time_step_rank=4, tie_word_embeddings=True, layer_norm_epsilon=1e-5), NO_ATTENTION),
    "falcon_mamba": ("FalconMambaConfig", dict(
        intermediate_size=64, state_size=8, expand=2, time_step_rank=4, tie_word_embeddings=False, layer_norm_epsilon=1e-5, mixer_rms_eps=1e-6), NO_ATTENTION),
    "jamba": ("JambaConfig", dict(
        intermediate_size=24, rms_norm_eps=1e-3,
        num_hidden_layers=4, attn_layer_period=4, attn_layer_offset=2, expert_layer_period=2, expert_layer_offset=1, num_experts=4,
        num_experts_per_tok=2, mamba_d_state=8, mamba_dt_rank=4), {}),
    "mamba2": ("Mamba2Config", dict(
        num_heads=8, head_dim=8, n_groups=2, state_size=16, expand=2, layer_norm_epsilon=1e-5, chunk_size=8), NO_ATTENTION | {"intermediate_size": ...}),
    "bamba": ("BambaConfig", dict(
        attn_layer_indices=[1], mamba_n_heads=8, mamba_d_head=8, mamba_n_groups=2, mamba_d_state=16, mamba_chunk_size=8,
        rope_parameters=HALF), {"attn_rotary_emb": 4}),
    "granitemoehybrid": ("GraniteMoeHybridConfig", GRANITE | dict(num_local_experts=4, num_experts_per_tok=2), MIXERS),
    "granitemoehybrid-dense": ("GraniteMoeHybridConfig", GRANITE | dict(
        num_local_experts=0, num_experts_per_tok=0, intermediate_size=24, position_embedding_type="rope", rope_parameters=ROPE), MIXERS),
    # What older configurations say, which llama.cpp's converter looks at.
    "nemotron_h": ("NemotronHConfig", NEMOTRON | dict(
        layers_block_type=["linear_attention", "mlp", "full_attention", "mlp"]),
        NO_EXPERTS | {"hybrid_override_pattern": "M-*-", "layers_block_type": ..., "num_hidden_layers": 4}),
    "nemotron_h-moe": ("NemotronHConfig", NEMOTRON | dict(
        layers_block_type=["linear_attention", "moe", "full_attention", "moe"], n_routed_experts=4, num_experts_per_tok=2,
        moe_intermediate_size=16, moe_shared_expert_intermediate_size=24, n_shared_experts=1, routed_scaling_factor=2.5),
        {"hybrid_override_pattern": "ME*E", "num_hidden_layers": 4}),
    "falcon_h1": ("FalconH1Config", dict(
        head_dim=8,         mamba_d_ssm=48, mamba_n_heads=6, mamba_d_head=8, mamba_n_groups=2, mamba_d_state=16, mamba_chunk_size=8,
        embedding_multiplier=3.0, lm_head_multiplier=0.5, mlp_multipliers=[0.75, 1.5], key_multiplier=0.7,
        attention_in_multiplier=1.25, attention_out_multiplier=0.8, ssm_multipliers=[0.6, 0.9, 1.1, 1.3, 0.7],
        ssm_in_multiplier=1.2, ssm_out_multiplier=0.9, rope_parameters=ROPE), {}),
    # As published, whose norms have one group.
    "granitemoehybrid-group": ("GraniteMoeHybridConfig", GRANITE | dict(
        num_local_experts=4, num_experts_per_tok=2, mamba_n_groups=1), MIXERS),
    "nemotron_h-latent": ("NemotronHConfig", NEMOTRON | dict(
        layers_block_type=["linear_attention", "moe", "full_attention", "moe"], n_routed_experts=4, num_experts_per_tok=2,
        moe_latent_size=12, moe_intermediate_size=20, moe_shared_expert_intermediate_size=24, n_shared_experts=1,
        routed_scaling_factor=2.5), {"hybrid_override_pattern": "ME*E", "num_hidden_layers": 4}),
}
# Larger ones: name, case, what is otherwise.
THREE = dict(layer_types=["linear_attention", "full_attention", "linear_attention"])
BIG_DELTA = THREE | dict(
    head_dim=64, num_key_value_heads=2, linear_num_key_heads=2, linear_num_value_heads=6, linear_key_head_dim=32,
    linear_value_head_dim=32)
BIG_MAMBA2 = dict(mamba_n_heads=16, mamba_d_head=32, mamba_n_groups=4, mamba_d_state=64)
PAIRS_OF_8 = QUARTER | {"mrope_section": [3, 3, 2], "mrope_interleaved": True}
VARIANTS = [
    ("qwen3_next-wide", "qwen3_next", BIG_DELTA),
    ("qwen3_next-dense-layer", "qwen3_next", BIG_DELTA | dict(mlp_only_layers=[1], norm_topk_prob=False, attention_bias=True)),
    ("qwen3_5-wide", "qwen3_5", BIG_DELTA | dict(rope_parameters=PAIRS_OF_8)),
    ("qwen3_5-equal-heads", "qwen3_5", BIG_DELTA | dict(
        linear_num_value_heads=2, linear_conv_kernel_dim=3, rope_parameters=PAIRS_OF_8, tie_word_embeddings=True)),
    # As the model's page has it for long texts.
    ("qwen3_5-yarn", "qwen3_5", BIG_DELTA | dict(rope_parameters=PAIRS_OF_8 | {
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32})),
    ("qwen3_5_moe-wide", "qwen3_5_moe", BIG_DELTA | dict(rope_parameters=PAIRS_OF_8)),
    ("lfm2-wide", "lfm2", dict(layer_types=["conv", "full_attention", "conv"], num_key_value_heads=4)),
    ("lfm2-plain", "lfm2", dict(
        layer_types=["full_attention", "conv", "conv"], num_key_value_heads=8, block_auto_adjust_ff_dim=False, conv_L_cache=4,
        tie_word_embeddings=False)),
    ("lfm2-biases", "lfm2", dict(layer_types=["conv", "full_attention", "conv"], num_key_value_heads=4, conv_bias=True)),
    ("lfm2_moe-wide", "lfm2_moe", dict(num_key_value_heads=4)),
    ("mamba-wide", "mamba", dict(intermediate_size=512, state_size=16, time_step_rank=16)),
    ("mamba-biases", "mamba", dict(intermediate_size=320, state_size=16, time_step_rank=16, use_bias=True, use_conv_bias=False)),
    ("falcon_mamba-wide", "falcon_mamba", dict(intermediate_size=512, state_size=16, time_step_rank=16)),
    ("falcon_mamba-same", "falcon_mamba", dict(intermediate_size=512, state_size=16, time_step_rank=16, mixer_rms_eps=1e-5)),
    ("jamba-wide", "jamba", dict(
        num_hidden_layers=4, num_key_value_heads=4, intermediate_size=256, mamba_d_state=16, mamba_dt_rank=16)),
    ("jamba-dense", "jamba", dict(
        num_hidden_layers=4, num_key_value_heads=4, intermediate_size=256, mamba_d_state=16, mamba_dt_rank=16, num_experts=1,
        num_experts_per_tok=1)),
    ("mamba2-wide", "mamba2", dict(num_heads=16, head_dim=32, n_groups=4, state_size=64)),
    ("mamba2-biases", "mamba2", dict(num_heads=16, head_dim=32, n_groups=1, state_size=32, conv_kernel=2, use_bias=True)),
    ("mamba2-group", "mamba2", dict(num_heads=16, head_dim=32, n_groups=1, state_size=64)),
    ("bamba-group", "bamba", BIG_MAMBA2 | dict(num_key_value_heads=4, mamba_n_groups=1)),
    ("nemotron_h-group", "nemotron_h", dict(
        num_hidden_layers=4, num_key_value_heads=4, mamba_num_heads=16, mamba_head_dim=32, n_groups=1, ssm_state_size=64)),
    ("falcon_h1-group", "falcon_h1", dict(
        head_dim=32, num_key_value_heads=4, mamba_d_ssm=512, mamba_n_heads=16, mamba_d_head=32, mamba_n_groups=1, mamba_d_state=64,
        mamba_rms_norm=True, mamba_norm_before_gate=False)),
    ("bamba-wide", "bamba", BIG_MAMBA2 | dict(num_key_value_heads=4)),
    ("granitemoehybrid-wide", "granitemoehybrid", BIG_MAMBA2 | dict(
        layer_types=["mamba", "attention", "mamba"], num_key_value_heads=4, shared_intermediate_size=256)),
    ("granitemoehybrid-group-wide", "granitemoehybrid-group", BIG_MAMBA2 | dict(
        layer_types=["mamba", "attention", "mamba"], num_key_value_heads=4, shared_intermediate_size=256, mamba_n_groups=1)),
    ("granitemoehybrid-dense-wide", "granitemoehybrid-dense", BIG_MAMBA2 | dict(
        layer_types=["mamba", "attention", "mamba"], num_key_value_heads=4, shared_intermediate_size=256)),
    ("nemotron_h-wide", "nemotron_h", dict(
        num_hidden_layers=4, num_key_value_heads=4, mamba_num_heads=16, mamba_head_dim=32, n_groups=4, ssm_state_size=64)),
    ("nemotron_h-moe-wide", "nemotron_h-moe", dict(
        num_hidden_layers=4, num_key_value_heads=4, mamba_num_heads=16, mamba_head_dim=32, n_groups=4, ssm_state_size=64,
        moe_shared_expert_intermediate_size=512, n_group=2, topk_group=1)),
    ("nemotron_h-latent-wide", "nemotron_h-latent", dict(
        num_hidden_layers=4, num_key_value_heads=4, mamba_num_heads=16, mamba_head_dim=32, n_groups=4, ssm_state_size=64,
        moe_latent_size=512, moe_intermediate_size=256, moe_shared_expert_intermediate_size=512)),
    ("falcon_h1-wide", "falcon_h1", dict(
        head_dim=32, num_key_value_heads=4, mamba_d_ssm=512, mamba_n_heads=16, mamba_d_head=32, mamba_n_groups=4, mamba_d_state=64)),
    ("falcon_h1-norm", "falcon_h1", dict(
        head_dim=32, num_key_value_heads=4, mamba_d_ssm=256, mamba_n_heads=8, mamba_d_head=32, mamba_n_groups=2, mamba_d_state=64,
        mamba_rms_norm=True, mamba_norm_before_gate=False)),
    ("falcon_h1-norm-first", "falcon_h1", dict(
        head_dim=32, num_key_value_heads=4, mamba_d_ssm=256, mamba_n_heads=8, mamba_d_head=32, mamba_n_groups=2, mamba_d_state=64,
        mamba_rms_norm=True, mamba_norm_before_gate=True)),
]
# What llama.cpp has no key or no place for.
NO_GGUF = {"lfm2-biases", "mamba-biases", "mamba2-biases", "falcon_h1-norm-first", "qwen3_next-dense-layer"}
INEXACT = {"falcon_mamba-wide"}
# llama.cpp's program computes something else, or does not load the file.
NO_PROGRAM = {"falcon_mamba-wide"}
