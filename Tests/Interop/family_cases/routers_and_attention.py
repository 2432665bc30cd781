"""Routers and attention variants of 2024 to 2026."""

from .common import HALF, LLAMA3, ROPE, YARN

GLM = dict(head_dim=16, moe_intermediate_size=16, n_routed_experts=8, num_experts_per_tok=3, n_shared_experts=1,
           routed_scaling_factor=2.5, norm_topk_prob=True, first_k_dense_replace=1, use_qk_norm=True, rope_parameters=HALF)
LONGROPE = {
    "rope_type": "longrope", "type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0, 1.1, 1.2, 1.3],
    "long_factor": [1.0, 2.0, 4.0, 8.0], "short_mscale": 1.25, "long_mscale": 1.25, "original_max_position_embeddings": 32}
# The original context is that of the temperature, too: 12 tokens have three steps.
STEPS = {"rope_type": "yarn", "type": "yarn", "rope_theta": 10000.0, "factor": 16.0, "beta_fast": 32.0, "beta_slow": 1.0,
         "mscale": 1.0, "mscale_all_dim": 1.0, "original_max_position_embeddings": 4, "max_position_embeddings": 64,
         "llama_4_scaling_beta": 0.5}
WINDOWS = dict(sliding_window=5, layer_types=["sliding_attention", "full_attention"])
# By name: the class of the configuration, what is unusual, and what published configurations say besides.
CASES = {
    "glm4_moe": ("Glm4MoeConfig", GLM | dict(n_group=4, topk_group=2, attention_bias=True), {}),
    "glm4_moe_lite": ("Glm4MoeLiteConfig", dict(
        num_key_value_heads=4, q_lora_rank=24, kv_lora_rank=16, qk_nope_head_dim=12, qk_rope_head_dim=8, v_head_dim=16,
        moe_intermediate_size=16, n_routed_experts=8, num_experts_per_tok=3, n_shared_experts=1, rope_parameters=ROPE),
        {"first_k_dense_replace": 1, "topk_method": "noaux_tc"}),
    "minimax_m2": ("MiniMaxM2Config", dict(
        head_dim=16, intermediate_size=16, num_local_experts=4, num_experts_per_tok=2, rope_parameters=HALF),
        {"rotary_dim": 8, "scoring_func": "sigmoid", "use_routing_bias": True, "use_qk_norm": True}),
    "ernie4_5_moe": ("Ernie4_5_MoeConfig", dict(
        moe_intermediate_size=12, moe_num_experts=8, moe_k=3, moe_num_shared_experts=2, tie_word_embeddings=True,
        rope_parameters=ROPE), {}),
    "hunyuan_v1_moe": ("HunYuanMoEV1Config", dict(
        head_dim=8, intermediate_size=16, num_experts=4, moe_topk=2, rope_parameters=ROPE),
        {"moe_topk": [2, 2], "moe_intermediate_size": [16, 16], "num_shared_expert": [1, 1]}),
    "hy_v3": ("HYV3Config", dict(
        head_dim=16, moe_intermediate_size=16, num_experts=8, num_experts_per_tok=3, num_shared_experts=2, rope_parameters=ROPE),
        {}),
    # transformers has no class for it; GLM-4.5's computes the same with other names.
    "bailing_moe_v2": ("Glm4MoeConfig", GLM | dict(head_dim=8, n_group=4, topk_group=2), None),
    "dots1": ("Dots1Config", dict(
        head_dim=8, num_key_value_heads=4, moe_intermediate_size=16, n_routed_experts=8, num_experts_per_tok=3,
        n_shared_experts=2, first_k_dense_replace=1, norm_topk_prob=True, routed_scaling_factor=2.5, rope_parameters=ROPE),
        {"scoring_func": "sigmoid"}),
    "olmoe": ("OlmoeConfig", dict(
        intermediate_size=16, num_experts=4, num_experts_per_tok=2, rms_norm_eps=1e-5, rope_parameters=ROPE), {}),
    "granitemoe": ("GraniteMoeConfig", dict(
        intermediate_size=16, num_local_experts=4, num_experts_per_tok=2, embedding_multiplier=6.0, logits_scaling=4.0,
        residual_multiplier=0.25, attention_multiplier=0.25, tie_word_embeddings=True, rope_parameters=ROPE), {}),
    "phimoe": ("PhimoeConfig", dict(
        intermediate_size=16, num_local_experts=4, num_experts_per_tok=2, attention_bias=True, lm_head_bias=True,
        router_jitter_noise=0.1, rope_parameters=LONGROPE),
        {"architectures": ["PhiMoEForCausalLM"], "original_max_position_embeddings": 32}),
    "hunyuan_v1_dense": ("HunYuanDenseV1Config", dict(head_dim=16, tie_word_embeddings=True, rope_parameters=ROPE), {}),
    "olmo3": ("Olmo3Config", WINDOWS | dict(rope_parameters={"full_attention": YARN, "sliding_attention": ROPE}), {}),
    # As the small model is, and as the large one.
    "exaone4": ("Exaone4Config", dict(
        sliding_window=None, layer_types=["full_attention"] * 2, tie_word_embeddings=True, rope_parameters=LLAMA3), {}),
    "exaone4-windows": ("Exaone4Config", WINDOWS | dict(rope_parameters=LLAMA3), {"sliding_window_pattern": "LG"}),
    "ministral3": ("Ministral3Config", dict(head_dim=16, rope_parameters=STEPS), {}),
    "mistral4": ("Mistral4Config", dict(
        num_key_value_heads=4, q_lora_rank=24, kv_lora_rank=16, qk_nope_head_dim=12, qk_rope_head_dim=4, v_head_dim=16,
        moe_intermediate_size=16, n_routed_experts=4, num_experts_per_tok=2, n_shared_experts=1, first_k_dense_replace=1,
        rope_parameters=STEPS), {}),
    "arcee": ("ArceeConfig", dict(intermediate_size=64, mlp_bias=False, rope_parameters=LLAMA3), {}),
    "cohere": ("CohereConfig", dict(
        logit_scale=0.25, tie_word_embeddings=True, layer_norm_eps=1e-5, rope_parameters=ROPE), {}),
    # llama.cpp's converter needs the last key.
    "cohere2": ("Cohere2Config", dict(
        num_hidden_layers=4, logit_scale=0.25, tie_word_embeddings=True, layer_norm_eps=1e-5, sliding_window=5,
        rope_parameters=ROPE), {"rotary_pct": 1.0}),
    "gpt_oss": ("GptOssConfig", dict(
        head_dim=16, intermediate_size=32, num_local_experts=4, num_experts_per_tok=2, sliding_window=5, swiglu_limit=7.0,
        rope_parameters={
            "rope_type": "yarn", "rope_theta": 150000.0, "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": False,
            "original_max_position_embeddings": 4096}), {}),
}
# Larger ones: name, case, what is otherwise.
VARIANTS = [
    ("glm4_moe-plain", "glm4_moe", dict(use_qk_norm=False, attention_bias=False, n_group=1, topk_group=1, norm_topk_prob=False)),
    ("glm4_moe-yarn", "glm4_moe", dict(rope_parameters=HALF | {
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32})),
    ("minimax_m2-yarn", "minimax_m2", dict(rope_parameters=HALF | {
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32})),
    ("glm4_moe-two-dense", "glm4_moe", dict(first_k_dense_replace=2, n_shared_experts=2)),
    ("glm4_moe_lite-queries", "glm4_moe_lite", dict(q_lora_rank=None, num_key_value_heads=8)),
    ("minimax_m2-whole", "minimax_m2", dict(rope_parameters=ROPE)),
    ("ernie4_5_moe-interval", "ernie4_5_moe", dict(moe_layer_interval=2, moe_num_shared_experts=0, moe_layer_start_index=0)),
    ("ernie4_5_moe-biases", "ernie4_5_moe", dict(use_bias=True, tie_word_embeddings=False)),
    ("hunyuan_v1_moe-alpha", "hunyuan_v1_moe", dict(
        num_attention_heads=2, head_dim=128,
        rope_parameters={"rope_type": "dynamic", "type": "dynamic", "rope_theta": 10000.0, "alpha": 1000.0, "factor": 1.0})),
    ("hy_v3-biases", "hy_v3", dict(attention_bias=True, mlp_bias=True, mlp_layer_types=["dense", "sparse", "dense"])),
    ("dots1-window", "dots1", dict(sliding_window=20, max_window_layers=1, num_key_value_heads=8)),
    ("olmoe-clip", "olmoe", dict(clip_qkv=0.4, norm_topk_prob=True)),
    ("granitemoe-untied", "granitemoe", dict(tie_word_embeddings=False, attention_bias=True)),
    ("phimoe-plain", "phimoe", dict(
        attention_bias=False, lm_head_bias=False, rope_parameters=ROPE, sliding_window=24, router_jitter_noise=0.3)),
    ("kimi_k2", None, dict(
        num_key_value_heads=8, q_lora_rank=24, kv_lora_rank=16, qk_nope_head_dim=12, qk_rope_head_dim=8, v_head_dim=10,
        intermediate_size=96, moe_intermediate_size=8, n_routed_experts=384, num_experts_per_tok=8, n_group=1, topk_group=1,
        first_k_dense_replace=1, n_shared_experts=1, routed_scaling_factor=2.827, hidden_size=64,
        rope_parameters={"rope_type": "yarn", "rope_theta": 50000.0, "factor": 4.0, "beta_fast": 1.0, "beta_slow": 1.0,
                         "mscale": 1.0, "mscale_all_dim": 1.0, "original_max_position_embeddings": 32})),
    ("hunyuan_v1_dense-alpha", "hunyuan_v1_dense", dict(
        num_attention_heads=2, head_dim=128, max_position_embeddings=32768,
        rope_parameters={"rope_type": "dynamic", "type": "dynamic", "rope_theta": 10000.0, "alpha": 1000.0, "factor": 1.0})),
    ("hunyuan_v1_dense-biases", "hunyuan_v1_dense", dict(attention_bias=True, tie_word_embeddings=False)),
    ("olmo3-flat", "olmo3", dict(
        num_hidden_layers=5, sliding_window=20, layer_types=None, rope_parameters={
            "full_attention": YARN | {"rope_theta": 5e5}, "sliding_attention": ROPE | {"rope_theta": 5e5}})),
    ("olmo3-plain", "olmo3", dict(sliding_window=20, rope_parameters={
        "full_attention": ROPE, "sliding_attention": ROPE})),
    # llama.cpp looks for windows in a model of 64 layers alone.
    ("exaone4-64", "exaone4-windows", dict(
        num_hidden_layers=64, hidden_size=64, intermediate_size=64, num_key_value_heads=4, sliding_window=20,
        layer_types=["full_attention" if layer % 4 == 3 else "sliding_attention" for layer in range(64)])),
    ("ministral3-window", "ministral3", dict(sliding_window=20)),
    ("ministral3-default", "ministral3", dict(rope_parameters={
        "rope_type": "default", "rope_theta": 10000.0, "original_max_position_embeddings": 30, "llama_4_scaling_beta": 0.3})),
    ("mistral4-queries", "mistral4", dict(q_lora_rank=None, first_k_dense_replace=0, routed_scaling_factor=1.5)),
    ("mistral4-groups", "mistral4", dict(n_routed_experts=16, n_group=4, topk_group=2, num_experts_per_tok=3, norm_topk_prob=False)),
    ("arcee-biases", "arcee", dict(attention_bias=True, mlp_bias=True, tie_word_embeddings=True)),
    ("cohere-qk-norm", "cohere", dict(use_qk_norm=True, logit_scale=0.3)),
    ("cohere-biases", "cohere", dict(attention_bias=True, tie_word_embeddings=False)),
    ("cohere2-full", "cohere2", dict(layer_types=["full_attention", "sliding_attention", "sliding_attention"], logit_scale=1.0)),
    ("cohere2-all-full", "cohere2", dict(layer_types=["full_attention"] * 3)),
    ("gpt_oss-full", "gpt_oss", dict(
        layer_types=["full_attention"] * 3, rope_parameters=ROPE, swiglu_limit=0.5, num_experts_per_tok=3)),
    ("gpt_oss-window", "gpt_oss", dict(
        sliding_window=20, rope_parameters={
            "rope_type": "yarn", "rope_theta": 150000.0, "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": True,
            "original_max_position_embeddings": 4096})),
]
# What llama.cpp has no key or no place for.
NO_GGUF = {
    "ernie4_5_moe-biases", "hy_v3-biases", "granitemoe-untied-bias", "hunyuan_v1_dense-biases", "arcee-biases", "cohere-qk-norm",
    "cohere-biases"}
INEXACT = {
    "phimoe-plain", "phimoe-wide", "olmoe-clip", "dots1-window", "exaone4-windows-wide", "gpt_oss-full", "gpt_oss-wide"}
# llama.cpp's program computes something else, or does not load the file.
NO_PROGRAM = INEXACT | {"ernie4_5_moe-interval", "glm4_moe_lite-queries", "mistral4-queries", "ministral3-window", "cohere2-all-full"}
