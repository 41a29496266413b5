"""What each figure of an evaluation is called, means, and where its definition comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Definition:
    """A figure in words; `better` tells which way is good."""

    title: str
    meaning: str
    better: str
    source: str


FIGURES: Final[dict[str, Definition]] = {
    "auroc": Definition(
        "AUROC",
        "The share of (positive, negative) pairs in which the positive got the higher value.",
        "1 is perfect, 0.5 is chance",
        "Hanley & McNeil 1982; interval: DeLong et al. 1988, Sun & Xu 2014",
    ),
    "auroc_patient_bootstrap": Definition(
        "AUROC, patients resampled",
        "The same share; the interval comes from drawing patients anew, each with all its rows.",
        "1 is perfect, 0.5 is chance",
        "Efron & Tibshirani 1993, percentile interval",
    ),
    "auroc_level_matched": Definition(
        "AUROC at matched levels",
        "The same share among pairs of slices from about the same height in the stack, so that "
        "knowing where lesions usually lie earns nothing.",
        "1 is perfect, 0.5 is chance",
        "medrec's evaluation.json",
    ),
    "auprc": Definition(
        "Average precision",
        "The area under the precision-recall curve by steps. What flagging everything would get "
        "is the prevalence.",
        "1 is perfect",
        "Davis & Goadrich 2006",
    ),
    "brier": Definition(
        "Brier score",
        "The mean squared difference of probability and truth.",
        "0 is perfect",
        "Brier 1950",
    ),
    "ece": Definition(
        "Expected calibration error",
        "The mean distance between what was said and how often it was so, over bins of equal mass.",
        "0 is perfect; compare with the next line",
        "Naeini et al. 2015; Nixon et al. 2019 (equal mass)",
    ),
    "ece_if_calibrated": Definition(
        "ECE if perfectly calibrated",
        "What the expected calibration error stays below, in 95 of 100 draws, on so many rows if "
        "every probability were exact. An error below it is no evidence of miscalibration.",
        "a yardstick",
        "Vaicenavicius et al. 2019 (consistency resampling)",
    ),
    "calibration_slope": Definition(
        "Calibration slope",
        "How the log odds have to be stretched. Below 1 the probabilities are too extreme.",
        "1 is perfect",
        "Cox 1958; Van Calster et al. 2019",
    ),
    "calibration_intercept": Definition(
        "Calibration in the large",
        "What has to be added to the log odds. Above 0 the probabilities are too low.",
        "0 is perfect",
        "Cox 1958; Van Calster et al. 2019",
    ),
}

GROUP_FIGURES: Final[dict[str, Definition]] = {
    "accuracy": Definition(
        "Accuracy",
        "The share of exams whose likeliest class is the true one; it rests on the mix of classes.",
        "1 is perfect; compare with the share of the most frequent class",
        "medrec's evaluation.json",
    ),
    "balanced_accuracy": Definition(
        "Balanced accuracy",
        "The mean over the classes of the share of their exams that were given to them.",
        "1 is perfect, 1 / number of classes is chance",
        "Brodersen et al. 2010",
    ),
    "log_loss": Definition(
        "Log-loss over all classes",
        "The mean of -log of the probability that the true class got.",
        "0 is perfect; log of the number of classes says nothing",
        "Good 1952",
    ),
    "top_ece": Definition(
        "Calibration error of the likeliest class",
        "The expected calibration error of the highest probability, held against how often that "
        "class is the true one.",
        "0 is perfect; compare with the next line",
        "Guo et al. 2017",
    ),
    "top_ece_if_calibrated": Definition(
        "The same if perfectly calibrated",
        "What that error stays below, in 95 of 100 draws, on so many exams if every probability "
        "were exact.",
        "a yardstick",
        "Vaicenavicius et al. 2019 (consistency resampling)",
    ),
}

SHARES: Final[dict[str, str]] = {
    "sensitivity": "Sensitivity: the share of positives that are flagged.",
    "specificity": "Specificity: the share of negatives that are cleared.",
    "ppv": "PPV: the share of flagged ones that are positive, at the prevalence of this sample.",
    "npv": "NPV: the share of cleared ones that are negative, at the prevalence of this sample.",
}
