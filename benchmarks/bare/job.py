"""The default job of the harness, as one writes it by hand: digits, a small convolutional network.

python job.py STORE EXPERIMENT CONFIG FOLDER

Trains as many epochs on a division of the same kind, scores the validation rows after every epoch,
keeps the best epoch, fits the baselines, scores validation and test rows, draws three pictures, writes
predictions and weights into FOLDER, and logs everything to the MLflow store with the fluent API as it
goes. CONFIG is a JSON file with the parameters of a run of the harness.
"""

import copy
import json
import math
import sys
import time
from importlib import metadata
from pathlib import Path

import matplotlib as mpl
import mlflow
import mlflow.pytorch
import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, f1_score, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn.functional import cross_entropy

mpl.use("agg")
import matplotlib.pyplot as plt

BINS = 15


class ConvNet(nn.Module):
    def __init__(self, widths, classes=10):
        super().__init__()
        layers, channels = [], 1
        for number, width in enumerate(widths):
            if number:
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        self.stages = nn.Sequential(*layers)
        self.head = nn.Linear(channels, classes)
        self.to(memory_format=torch.channels_last)  # a fifth quicker on the CPU

    def forward(self, images):
        return self.head(self.stages(images).mean(dim=(2, 3)))


def calibration_error(chances, targets):
    confidence, right = chances.max(axis=1), chances.argmax(axis=1) == targets
    place = np.digitize(confidence, np.arange(1, BINS) / BINS, right=True)
    gaps = np.bincount(place, weights=right - confidence, minlength=BINS)
    return np.abs(gaps).sum() / len(targets)


@torch.inference_mode()
def chances_of(model, inputs):
    model.eval()
    return model(inputs).double().softmax(dim=1).numpy()


def scores_of(chances, targets, part):
    loss = log_loss(targets, chances, labels=np.arange(10))
    return {
        f"{part}/loss": loss,
        f"{part}/accuracy": float((chances.argmax(axis=1) == targets).mean()),
        f"{part}/f1": f1_score(targets, chances.argmax(axis=1), average="macro"),
        f"{part}/auroc": roc_auc_score(targets, chances, multi_class="ovr"),
        f"{part}/log_loss": loss,
        f"{part}/ece": calibration_error(chances, targets),
    }


def baselines(pixels, digits, train, parts):
    """Scores of the most frequent class and of a logistic regression on the pixels."""
    majority = np.bincount(digits[train]).argmax()
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    linear.fit(pixels[train], digits[train])
    scores = {}
    for part, rows in parts.items():
        of_part = scores_of(linear.predict_proba(pixels[rows]), digits[rows], part)
        del of_part[f"{part}/loss"]  # the network's loss, of which the baseline has none
        scores |= {f"{name}_baseline_linear": score for name, score in of_part.items()}
        scores[f"{part}/accuracy_baseline_majority"] = float((digits[rows] == majority).mean())
    return scores


def draw_curves(history, best, path):
    figure, axes = plt.subplots(1, 3, figsize=(12.6, 3.2), layout="constrained")
    panels = [["train/loss", "valid/loss", "valid/log_loss"], ["valid/accuracy", "valid/f1", "valid/auroc"]]
    for axis, names in zip(axes, [*panels, ["valid/ece"]], strict=True):
        for name in names:
            axis.plot([entry[name] for entry in history], label=name)
        axis.axvline(best, linestyle=":")
        axis.set_xlabel("epoch")
        axis.grid()
        axis.legend()
    figure.savefig(path)


def draw_confusion(targets, predicted, path):
    matrix = confusion_matrix(targets, predicted)
    figure, axis = plt.subplots(figsize=(7.3, 6.4), layout="constrained")
    image = axis.imshow(matrix / matrix.sum(axis=1, keepdims=True), cmap="Blues")
    axis.set_xticks(range(10))
    axis.set_yticks(range(10))
    for row, column in zip(*np.nonzero(matrix), strict=True):
        axis.text(column, row, matrix[row, column], ha="center", va="center")
    axis.set_xlabel("predicted class")
    axis.set_ylabel("true class")
    figure.colorbar(image)
    figure.savefig(path)


def draw_calibration(chances, targets, path):
    confidence, right = chances.max(axis=1), chances.argmax(axis=1) == targets
    place = np.digitize(confidence, np.arange(1, BINS) / BINS, right=True)
    counts = np.bincount(place, minlength=BINS)
    filled = counts > 0
    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(4.4, 5.0), layout="constrained", height_ratios=(3, 1), sharex=True
    )
    upper.plot([0, 1], [0, 1], linestyle=":")
    mean, share = (np.bincount(place, weights=w, minlength=BINS)[filled] for w in (confidence, right))
    upper.plot(mean / counts[filled], share / counts[filled], marker="o")
    upper.grid()
    lower.bar(np.arange(BINS) / BINS, counts, width=1 / BINS, align="edge")
    lower.set_xlabel("confidence")
    figure.savefig(path)


def movers(parameters, params, steps):
    """AdamW, warm-up and cosine."""
    optimizer = torch.optim.AdamW(
        parameters,
        lr=float(params["trainer.optimizer.lr"]),
        weight_decay=float(params["trainer.optimizer.weight_decay"]),
        fused=True,
    )
    rising = round(float(params["trainer.scheduler.warmup"]) * steps)

    def factor(step):
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising)))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def rank(scores):
    return scores["valid/accuracy"], -scores["valid/log_loss"]


def fit(model, inputs, digits, train, valid, params):
    """Trains; the scores of every epoch, and which was the best, whose weights the model then has."""
    epochs, batch = int(params["trainer.epochs"]), int(params["data.load.batch_size"])
    parameters = list(model.parameters())
    optimizer, scheduler = movers(parameters, params, epochs * math.ceil(len(train) / batch))
    targets, train_rows = torch.from_numpy(digits), torch.from_numpy(train)
    history, best, weights = [], 0, None
    for epoch in range(epochs):
        began = time.perf_counter()
        model.train()
        total = torch.zeros(())
        batches = train_rows[torch.randperm(len(train_rows))].split(batch)
        for rows in batches:
            loss = cross_entropy(model(inputs.index_select(0, rows)), targets.index_select(0, rows))
            loss.backward()
            optimizer.step()
            for parameter in parameters:
                parameter.grad = None
            scheduler.step()
            total += loss.detach()
        seconds = time.perf_counter() - began
        scores = {
            "train/loss": total.item() / len(batches),
            **scores_of(chances_of(model, inputs[valid]), digits[valid], "valid"),
            "lr": scheduler.get_last_lr()[0],
            "time/epoch_seconds": seconds,
        }
        history.append(scores)
        mlflow.log_metrics(scores, step=epoch + 1)
        print(f"{epoch + 1:3} " + " ".join(f"{score:.4f}" for score in scores.values()), flush=True)
        if weights is None or rank(scores) > rank(history[best]):
            best, weights = epoch, copy.deepcopy(model.state_dict())
    model.load_state_dict(weights)
    return history, best


def leave(folder, model, history, best, test, digits, chances, final, config):
    """Pictures, tables and weights in the folder, and all of it in MLflow."""
    draw_curves(history, best, folder / "curves.svg")
    draw_confusion(digits[test], chances.argmax(axis=1), folder / "confusion.svg")
    draw_calibration(chances, digits[test], folder / "calibration.svg")
    predictions = pd.DataFrame({"row": test, "target": digits[test], "prediction": chances.argmax(axis=1)})
    predictions = predictions.join(pd.DataFrame(chances).add_prefix("p_")).sort_values("row")
    predictions.to_csv(folder / "predictions.csv", index=False)
    (folder / "result.json").write_text(json.dumps(final, indent=2))
    (folder / "config.yaml").write_text(Path(config).read_text())
    packages = sorted(f"{d.metadata['Name']}=={d.version}" for d in metadata.distributions())
    (folder / "packages.txt").write_text("\n".join(packages))
    torch.save(model.state_dict(), folder / "weights.pt")
    for name in ("curves.svg", "confusion.svg", "calibration.svg"):
        mlflow.log_artifact(folder / name, "plots")
    for name in ("predictions.csv", "result.json", "config.yaml", "packages.txt"):
        mlflow.log_artifact(folder / name)
    # Requirements by name, and a pickle: left alone, MLflow spends seconds on finding the former by
    # loading the model in another process, and on exporting the latter.
    mlflow.pytorch.log_model(
        model,
        name="model",
        pip_requirements=[f"torch=={torch.__version__}", f"mlflow=={mlflow.__version__}"],
        serialization_format="pickle",
    )


def main(store, experiment, config, folder):
    params = json.loads(Path(config).read_text())
    torch.manual_seed(0)
    folder = Path(folder)
    folder.mkdir(parents=True)
    pixels, digits = load_digits(return_X_y=True)
    rest, test = train_test_split(np.arange(len(digits)), test_size=0.2, stratify=digits, random_state=0)
    train, valid = train_test_split(rest, test_size=0.15, stratify=digits[rest], random_state=0)
    scaled = (pixels - pixels[train].mean()) / pixels[train].std()
    inputs = torch.from_numpy(scaled).float().reshape(-1, 1, 8, 8)
    model = ConvNet(json.loads(params["model.widths"]))
    mlflow.set_tracking_uri(store)
    mlflow.set_experiment(experiment)
    with mlflow.start_run(run_name="by hand"):
        mlflow.log_params(params)
        history, best = fit(model, inputs, digits, train, valid, params)
        chances = chances_of(model, inputs[test])
        seconds = [entry["time/epoch_seconds"] for entry in history]
        final = {
            **scores_of(chances_of(model, inputs[valid]), digits[valid], "valid"),
            **scores_of(chances, digits[test], "test"),
            **baselines(pixels, digits, train, {"valid": valid, "test": test}),
            "train/loss": history[best]["train/loss"],
            "train/best_epoch": best + 1,
            "model/parameters": sum(parameter.numel() for parameter in model.stages.parameters()),
            "time/epoch_seconds": float(np.mean(seconds)),
            "time/training_seconds": sum(seconds),
        }
        mlflow.log_metrics(final, step=len(history) + 1)
        leave(folder, model, history, best, test, digits, chances, final, config)
    print({name: round(score, 4) for name, score in final.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
