"""Latent attention that sees the tokens an indexer picks."""

from .common import ROPE

SPARSE = dict(
    num_key_value_heads=4, q_lora_rank=24, kv_lora_rank=16, qk_nope_head_dim=12, qk_rope_head_dim=8,
    v_head_dim=16, moe_intermediate_size=16, n_routed_experts=4, num_experts_per_tok=2, n_shared_experts=1,
    first_k_dense_replace=1, index_topk=5, index_head_dim=16, index_n_heads=8)
# As published: the two numbers are the same.
YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "beta_fast": 32.0, "beta_slow": 1.0, "mscale": 1.0,
        "mscale_all_dim": 1.0, "original_max_position_embeddings": 16}
PUBLISHED = {"scoring_func": "sigmoid", "topk_method": "noaux_tc", "moe_layer_freq": 1}
# An indexer has eight heads, so that no score is zero: which of equal scores is picked nobody says.
CASES = {
    "deepseek_v32": ("DeepseekV32Config", SPARSE | dict(
        n_group=2, topk_group=1, rope_parameters=YARN), PUBLISHED),
    "glm_moe_dsa": ("GlmMoeDsaConfig", SPARSE | dict(rope_parameters=ROPE), PUBLISHED | {"indexer_rope_interleave": True}),
    # The second layer takes what the first has picked.
    "glm_moe_dsa-shared": ("GlmMoeDsaConfig", SPARSE | dict(
        num_hidden_layers=3, first_k_dense_replace=2, intermediate_size=24, n_routed_experts=2, num_experts_per_tok=1,
        indexer_types=["full", "shared", "full"], rope_parameters=ROPE),
        PUBLISHED | {"index_topk_freq": 2, "index_skip_topk_offset": 1}),
}
VARIANTS = [
    ("deepseek_v32-all", "deepseek_v32", dict(index_topk=512)),
    ("deepseek_v32-few", "deepseek_v32", dict(
        index_topk=20, index_n_heads=16, n_group=1, topk_group=1, norm_topk_prob=False, rope_parameters=ROPE)),
    ("glm_moe_dsa-few", "glm_moe_dsa", dict(index_topk=20, index_n_heads=16)),
    ("glm_moe_dsa-shared-few", "glm_moe_dsa-shared", dict(
        num_hidden_layers=5, index_topk=20, index_n_heads=16, n_routed_experts=4, num_experts_per_tok=2,
        indexer_types=["full", "full", "shared", "shared", "full"])),
]
NO_GGUF, INEXACT, NO_PROGRAM = set(), set(), set()
