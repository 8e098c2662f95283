"""The page for users of TensorFlow Recommenders names all of its public names, and only names of motet that exist."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "coming-from-tfrs.md").read_text(encoding="utf-8")
# Every public class, function and constant of tensorflow-recommenders 0.7.7, and the methods its classes add.
PUBLIC = """
tfrs.Model tfrs.Model.compute_loss tfrs.Model.train_step tfrs.Model.test_step tfrs.models.Model
tfrs.tasks.Task tfrs.tasks.Retrieval tfrs.tasks.Retrieval.factorized_metrics tfrs.tasks.Ranking
tfrs.metrics.Factorized tfrs.metrics.Factorized.update_state tfrs.metrics.Factorized.result
tfrs.metrics.Factorized.reset_states tfrs.metrics.FactorizedTopK
tfrs.layers.blocks.MLP
tfrs.layers.dcn.Cross
tfrs.layers.embedding.TPUEmbedding tfrs.layers.embedding.TPUEmbedding.update_embedding_table
tfrs.layers.embedding.tpu_embedding_layer.translate_keras_optimizer
tfrs.layers.factorized_top_k.TopK tfrs.layers.factorized_top_k.TopK.index
tfrs.layers.factorized_top_k.TopK.index_from_dataset tfrs.layers.factorized_top_k.TopK.call
tfrs.layers.factorized_top_k.TopK.query_with_exclusions tfrs.layers.factorized_top_k.TopK.is_exact
tfrs.layers.factorized_top_k.BruteForce tfrs.layers.factorized_top_k.Streaming tfrs.layers.factorized_top_k.ScaNN
tfrs.layers.feature_interaction.Cross tfrs.layers.feature_interaction.DotInteraction
tfrs.layers.feature_interaction.MultiLayerDCN
tfrs.layers.feature_multiplexing.UnifiedEmbedding tfrs.layers.feature_multiplexing.UnifiedEmbeddingConfig
tfrs.layers.feature_multiplexing.UnifiedEmbeddingConfig.add_feature
tfrs.layers.loss.HardNegativeMining tfrs.layers.loss.RemoveAccidentalHits tfrs.layers.loss.SamplingProbablityCorrection
tfrs.layers.loss.MAX_FLOAT tfrs.layers.loss.MIN_FLOAT
tfrs.examples.movielens.evaluate tfrs.examples.movielens.sample_listwise tfrs.examples.nbtool.NBTool
tfrs.examples.nbtool.clean_cell tfrs.examples.nbtool.clean_notebook
tfrs.experimental.layers.embedding.PartialTPUEmbedding
tfrs.experimental.models.Ranking
tfrs.experimental.optimizers.ClippyAdagrad tfrs.experimental.optimizers.clippy_adagrad.shrink_by_references
tfrs.experimental.optimizers.CompositeOptimizer tfrs.experimental.optimizers.CompositeOptimizer.optimizers
tfrs.types.Activation
"""
# What their constructors and calls take.
TAKEN = """
loss metrics batch_metrics loss_metrics prediction_metrics label_metrics temperature num_hard_negatives
remove_accidental_hits query_embeddings candidate_embeddings sample_weight candidate_sampling_probability candidate_ids
compute_metrics compute_batch_metrics score_mask labels predictions candidates ks true_candidate_ids query_model k
handle_incomplete_batches num_parallel_calls sorted_order projection_dim diag_scale use_bias preactivation num_layers
kernel_initializer bias_initializer kernel_regularizer bias_regularizer self_interaction skip_gather units activation
final_activation embedding_layer bottom_stack feature_interaction top_stack concat_dense task
variable_relative_threshold accumulator_relative_threshold absolute_threshold export_clipping_factors
clip_accumulator_update use_standard_accumulator_update optimizers_and_vars buckets_per_table dim_per_table num_tables
num_chunks num_list_per_user num_examples_per_list
"""
MOTET = sorted(set(re.findall(r"`(motet(?:\.\w+)+)", PAGE)))


def test_tfrs_names_are_on_the_page() -> None:
    assert [name for name in PUBLIC.split() if f"`{name}`" not in PAGE] == []


def test_tfrs_arguments_are_on_the_page() -> None:
    assert [name for name in TAKEN.split() if not re.search(rf"`{name}[`=]", PAGE)] == []


@pytest.mark.parametrize("name", MOTET)
def test_motet_name_can_be_imported(name: str) -> None:
    assert find(name) is not None


def test_examples_are_there() -> None:
    assert [path for path in re.findall(r"`(examples/\w+\.py)`", PAGE) if not (ROOT / path).exists()] == []


def find(name: str) -> object:
    """What a dotted name means: a module, or an attribute of the longest module that it begins with."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    return None
