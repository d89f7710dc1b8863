"""The tables of the distillation lesson, from its committed runs."""

from collections.abc import Mapping, Sequence

from pandas import DataFrame, Series

from experiments.distill import hinton, temperatures, transfers
from experiments.distill.repair import ALPHA, FILE, LABELS, STEPS, TEMPERATURES, TOLD
from experiments.files import RESULTS, markdown_table, read_json
from experiments.frames import over_seeds
from experiments.quantize.tables import run_line
from labkit import zoo
from labkit.measure.correctness import Accuracy, compare
from labkit.measure.over_seeds import PairedSeeds, mean_over_seeds
from labkit.measure.teacher_gap import gap_closed

CIFAR10_TEST = 10_000


def spread(values: Sequence[float], digits: int = 1) -> str:
    """A mean with the 95 % interval over seeds (Student's t).

    >>> spread([10, 12, 14])
    '12.0 ± 5.0'
    """
    found = mean_over_seeds(values)
    return f"{found.mean:.{digits}f} ± {found.high - found.mean:.{digits}f}"


def _apart(first: Sequence[float], second: Sequence[float]) -> PairedSeeds:
    """First minus second, seed by seed, both in the order of the seeds."""
    return mean_over_seeds(a - b for a, b in zip(first, second, strict=True))


def _test_errors(run: dict) -> Series:
    """Test errors by width, alpha, temperature and seed."""
    return over_seeds(run["rows"], ["width", "alpha", "temperature"], "test_errors")


def temperatures_table(run: dict) -> str:
    """Width x temperature: test errors; and against T = 4, seed by seed."""
    errors, lines = _test_errors(run), []
    for width in temperatures.WIDTHS:
        taught, cells = errors[width, temperatures.ALPHA], [spread(errors[width, 0])]
        for t in temperatures.TEMPERATURES:
            star = "*" if _apart(taught[t], taught[4]).winner else ""
            cells.append(spread(taught[t]) + star)
        lines.append([str(width), *cells])
    header = ["units", "alone", *(f"T = {t:g}" for t in temperatures.TEMPERATURES)]
    return markdown_table(header, lines)


def rates_table(run: dict) -> str:
    """Width, rate x what is told: validation errors, the mean of seeds, fewest bold."""
    keys, lines = ["width", "learning_rate", "temperature", "alpha"], []
    errors = DataFrame(run["rows"]).groupby(keys)["validation_errors"].mean()
    told = [(t, temperatures.ALPHA) for t in temperatures.TEMPERATURES]
    told = [(temperatures.TEMPERATURE, 0), *told]
    for width in temperatures.WIDTHS:
        best = [temperatures.rate_for(run["rows"], width, *each) for each in told]
        for rate in temperatures.RATES:
            cells = [
                _bold_if(rate == chosen, errors[width, rate, t, alpha])
                for (t, alpha), chosen in zip(told, best, strict=True)
            ]
            lines.append([str(width), f"{rate:g}", *cells])
    header = ["units", "rate", "alone"]
    header += [f"T = {t:g}" for t in temperatures.TEMPERATURES]
    return markdown_table(header, lines)


def hinton_rates_table(run: dict) -> str:
    """Case x rate: validation errors of one seed, the fewest bold."""
    rows, lines = DataFrame(run["rows"]), []
    errors = rows.pivot(index="case", columns="learning_rate")["validation_errors"]
    for case in rows["case"].unique():
        best = hinton.rate_for(run["rows"], case)
        cells = [_bold_if(r == best, errors.loc[case, r]) for r in hinton.RATES]
        lines.append([case, *cells])
    return markdown_table(["case", *(f"rate {r:g}" for r in hinton.RATES)], lines)


def _bold_if(flag: bool, value: float) -> str:
    return f"**{value:.3g}**" if flag else f"{value:.3g}"


def alphas_table(run: dict) -> str:
    """Width x alpha at one temperature: test errors."""
    alphas = sorted({*temperatures.ALPHAS, temperatures.ALPHA})
    errors = _test_errors(run).xs(temperatures.TEMPERATURE, level="temperature")
    lines = [
        [str(width), *(spread(errors[width, alpha]) for alpha in alphas)]
        for width in temperatures.WIDTHS
    ]
    return markdown_table(["units", *(f"alpha = {a:g}" for a in alphas)], lines)


def hinton_table(run: dict) -> str:
    """Each case: our errors over seeds beside the published ones."""
    lines = []
    for case, errors in hinton_errors(run["rows"]).items():
        listed = ", ".join(map(str, errors))
        published = run["published"].get(case, "")
        lines.append([case, _errors(errors), listed, str(published)])
    return markdown_table(["case", "errors of 10,000", "seeds", "published"], lines)


def hinton_errors(rows: list[dict]) -> dict[str, list[int]]:
    """Case -> errors, seed by seed, as far as it was run; also with biases moved."""
    errors, errors_moved = _by_case(rows, "errors"), _by_case(rows, "errors_moved")
    found = {}
    for case in dict.fromkeys(row["case"] for row in rows):
        found[case] = errors[case]
        classes = hinton.CASES[case].moved if case in hinton.CASES else ()
        if classes:
            moved = "bias moved" if len(classes) == 1 else "biases moved"
            found[f"{case}, {moved}"] = errors_moved[case]
    return found


def _by_case(rows: list[dict], figure: str) -> dict[str, list]:
    """Case -> a figure of its rows, seed by seed; cases that have it."""
    having = [row for row in rows if figure in row]
    if not having:
        return {}
    by_case = over_seeds(having, ["case"], figure).groupby(level="case")
    return {case: list(values) for case, values in by_case}


def gap_line(run: dict) -> str:
    """The share of the gap that soft targets close, on plain images."""
    shares = gap_shares(run["rows"])
    parts = [f"{case}: {gap_text(*share)}" for case, share in shares.items()]
    return "; ".join(parts) + "."


def gap_text(share: float, low: float, high: float) -> str:
    """A share of the gap with its interval.

    >>> gap_text(0.72, 0.55, 0.9)
    '72% of the gap (55% to 90%)'
    """
    return f"{share:.0%} of the gap ({low:.0%} to {high:.0%})"


def gap_shares(rows: list[dict]) -> dict[str, tuple[float, float, float]]:
    """Taught case -> its `gap_closed`, from students alone on the same plain images."""
    found, wrong = {}, _by_case(rows, "wrong")
    for suffix in ("", f", {hinton.ALL}"):
        names = (f"{kind}{suffix}" for kind in (hinton.TEACHER, "alone", "distilled"))
        teacher, *students = (wrong.get(name, []) for name in names)
        if teacher and all(students):
            found[f"distilled{suffix}"] = gap_closed(teacher[0], *students)
    return found


def targets_table(run: dict) -> str:
    """What was to be reached in Hinton's experiment, and what was."""
    lines = []
    for case, errors in hinton_errors(run["rows"]).items():
        kind = case.partition(",")[0]
        if kind in (hinton.TEACHER, "distilled"):
            most = run["published"][kind]
            reached = "yes" if mean_over_seeds(errors).mean <= most else "no"
            lines.append([case, f"at most {most} errors", _errors(errors), reached])
    return markdown_table(["network", "to reach", "ours", "reached"], lines)


def _errors(counts: Sequence[int]) -> str:
    """Errors over seeds; of one seed as they are."""
    return spread(counts) if len(counts) > 1 else str(counts[0])


def transfers_table(run: dict) -> str:
    """Each transfer: its weight, accuracy, and against the student alone, by seed."""
    percent = over_seeds(run["rows"], ["kind"], "test_accuracy") * 100
    weights, lines = {row["kind"]: row["weight"] for row in run["rows"]}, []
    for kind in transfers.KINDS:
        gain = percent[kind] - percent["alone"]
        against = "" if kind == "alone" else spread(gain, 2)
        shown = "" if weights[kind] is None else f"{weights[kind]:g}"
        lines.append([kind, shown, spread(percent[kind], 2), against])
    header = ["transfer", "weight", "accuracy %", "points against alone"]
    return markdown_table(header, lines)


def repair_table(run: dict) -> str:
    """Damage x what is told: test errors; a star where it differs from labels alone."""
    errors, lines = over_seeds(run["rows"], ["damage", "told"], "test_errors"), []
    for damage in dict.fromkeys(row["damage"] for row in run["rows"]):
        of_damage, cells = errors[damage], []
        for told in TOLD:
            if told not in of_damage:
                cells.append("")
                continue
            taught = told in TEMPERATURES
            star = taught and _apart(of_damage[told], of_damage[LABELS]).winner
            cells.append(spread(of_damage[told]) + ("*" if star else ""))
        lines.append([damage, *cells])
    header = ["damage", "not trained", *TOLD[1:]]
    return markdown_table(header, lines)


def published_repair_table(run: dict) -> str:
    """What was seen elsewhere of temperatures and few bits."""
    rows = run["published"]["rows"]
    header = list(rows[0])
    return markdown_table(header, [[str(row[key]) for key in header] for row in rows])


def cifar10_table(records: Mapping[tuple[str, int], dict]) -> str:
    """resnet8 from resnet20 against alone, paired on the same images, a row a seed."""
    lines = []
    for seed in sorted({seed for _, seed in records}):
        alone, taught = records["alone", seed], records["from-resnet20", seed]
        paired = compare(_accuracy(alone), _accuracy(taught))
        low, high = (100 * end for end in paired.interval)
        lines.append(
            [
                str(seed),
                f"{100 * alone['test_accuracy']:.2f}",
                f"{100 * taught['test_accuracy']:.2f}",
                f"{100 * paired.difference:+.2f} ({low:+.2f} to {high:+.2f})",
                f"{paired.p_value:.2g}",
            ]
        )
    header = ["seed", "alone %", "distilled %", "points, paired", "p (McNemar)"]
    return markdown_table(header, lines)


def _accuracy(record: dict) -> Accuracy:
    correct = [True] * CIFAR10_TEST
    for image in record["wrong"]:
        correct[image] = False
    return Accuracy(correct)


def cifar10_records() -> dict[tuple[str, int], dict]:
    """("alone" or "from-resnet20", seed) -> record, as far as they are committed."""
    found = {}
    for path in sorted((RESULTS / "distilled").glob("resnet8-*-seed*.json")):
        kind, _, seed = path.stem.removeprefix("resnet8-").partition("-seed")
        found[kind, int(seed)] = read_json(path, zoo.DISTILLED.shape)
    return found


def sections() -> str:
    """The part of the page of results that is about distillation."""
    sweep, published = read_json(temperatures.FILE), read_json(hinton.FILE)
    rates, others = read_json(temperatures.RATES_FILE), read_json(transfers.FILE)
    tried = read_json(hinton.RATES_FILE)
    repair = read_json(FILE)
    return f"""## Distillation: temperatures

Students 784-w-w-10 taught by 784-1200-1200-10, alpha = {temperatures.ALPHA}: test
errors of 10,000, mean over {temperatures.SEEDS} seeds with its 95 % interval. A star:
different from T = 4, seed by seed (Student's t, 95 %).

{temperatures_table(sweep)}

The weight of the teacher at T = {temperatures.TEMPERATURE}:

{alphas_table(sweep)}

{run_line(sweep)}

The learning rate was chosen for each width and temperature by the errors on 5,000
validation images of {len(temperatures.CHOOSING_SEEDS)} more seeds (bold):

{rates_table(rates)}

{run_line(rates)}

## Distillation: Hinton's experiment

Hinton, Vinyals and Dean 2015, arXiv:1503.02531, Sec. 3. Ours train on 55,000 images
and choose on 5,000; theirs on 60,000, and so do the rows "{hinton.ALL}", for which
nothing was chosen. Biases are moved by what is best on validation images, theirs on
test images. Jittered: the student, too, sees moved images.

{targets_table(published)}

{hinton_table(published)}

{gap_line(published)}

{run_line(published)}

The learning rate was chosen by the errors on 5,000 validation images of one more seed,
after {tried["settings"]["epochs"]} epochs (bold); where digits are missing, it is that
of "distilled":

{hinton_rates_table(tried)}

{run_line(tried)}

## Distillation: other transfers

One small LeNet-5 on {transfers.SETTINGS["images"]:,} images, same seeds, same steps;
weights of the likeness chosen on validation images of one more seed. Features come with
soft targets, as in FitNets: compare them with these, not with the student alone.

{transfers_table(others)}

{run_line(others)}

## Distillation as repair

The float network of each seed (784-300-100-10) is damaged, then trained for
{STEPS:,} steps on labels alone, or taught by what it said before the
damage, alpha = {ALPHA}: test errors of 10,000 over
{len({row["seed"] for row in repair["rows"]})} seeds. A star: different from
labels alone, seed by seed (Student's t, 95 %).

{repair_table(repair)}

{run_line(repair)}

High temperatures have been seen to ruin a student of few bits
({repair["published"]["source"]}; {repair["published"]["network"]}):

{published_repair_table(repair)}

## Distillation: resnet8 from resnet20

{cifar10_table(cifar10_records())}
"""
