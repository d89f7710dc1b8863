"""The tables of the distillation lesson: what they count, on runs made up here."""

import pytest

from experiments.distill import hinton, repair, tables, temperatures, transfers


def sweep():
    rows = [
        entry | {"test_errors": 300 - w // 2 + round(10 * abs(t - 4)) + 3 * s}
        for entry in temperatures.wanted()
        for w, t, _, s in [entry.values()]
    ]
    return {"rows": rows}


def experiment():
    rows = [{"case": "teacher", "seed": 0, "errors": 60, "wrong": list(range(60))}]
    for seed in range(3):
        for case, told in hinton.CASES.items():
            errors = {"alone": 140, "distilled": 70}.get(case, 100) + seed
            row = {"case": case, "seed": seed, "errors": errors}
            if told.moved:
                row |= {"errors_moved": errors // 2}
            else:
                row |= {"wrong": list(range(errors))}
            rows.append(row)
    return {"rows": rows, "published": hinton.PUBLISHED}


def line(table, start):
    (found,) = [row for row in table.splitlines() if row.startswith(f"| {start} |")]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_a_star_is_a_difference_between_paired_seeds():
    row = line(tables.temperatures_table(sweep()), "30")
    assert row[2] == "321.0 ± 5.9*" and row[4] == "291.0 ± 5.9"
    assert len(row) == 2 + len(temperatures.TEMPERATURES)
    noisy = sweep()
    for each in noisy["rows"]:
        each["test_errors"] += 500 * ((each["seed"] + int(each["temperature"])) % 2)
    assert "*" not in line(tables.temperatures_table(noisy), "30")[2]


def test_every_alpha_has_a_cell():
    row = line(tables.alphas_table(sweep()), "300")
    assert len(row) == 1 + 6 and all("±" in cell for cell in row[1:])


def test_hinton_s_cases_stand_beside_the_published_ones():
    table = tables.hinton_table(experiment())
    assert line(table, "distilled")[1:] == ["71.0 ± 2.5", "70, 71, 72", "74"]
    assert line(table, "teacher")[1:] == ["60", "60", "67"]
    assert line(table, "no 3s, bias moved")[-1] == "109"
    assert line(table, "only 7s and 8s, biases moved")[2] == "50, 50, 51"
    gap = tables.gap_line(experiment())
    assert gap.startswith("distilled: 86% of the gap (") and gap.count("%") == 3
    targets = tables.targets_table(experiment())
    assert line(targets, "teacher")[1:] == ["at most 67 errors", "60", "yes"]
    assert line(targets, "distilled")[2:] == ["71.0 ± 2.5", "yes"]


def test_what_was_not_run_is_left_out():
    run = experiment()
    run["rows"] = [row for row in run["rows"] if "images" not in row["case"]]
    assert "images" not in tables.hinton_table(run) + tables.gap_line(run)


def test_all_images_have_their_own_teacher_and_gap():
    run = experiment()
    its = {"case": "teacher, all images", "seed": 0, "errors": 50}
    run["rows"].append(its | {"wrong": list(range(50))})
    for row in run["rows"]:
        if row["case"] == "distilled, all images":
            row["wrong"] = list(range(75))  # alone: 101 on average
    assert "; distilled, all images: 51% of the gap (" in tables.gap_line(run)


def test_hinton_s_rates_stand_under_their_own_heads():
    rows = [
        {"case": case, "learning_rate": rate, "validation_errors": round(1e4 * rate)}
        for rate in (1e-2, 3e-4, 3e-3, 1e-3)
        for case in ("alone", "distilled")
    ]
    table = tables.hinton_rates_table({"rows": rows})
    assert line(table, "alone")[1:] == ["**3**", "10", "30", "100"]
    assert "rate 0.0003 | rate 0.001 |" in table


def test_transfers_are_compared_seed_by_seed():
    rows = [
        {"kind": k, "seed": s, "test_accuracy": 0.9 + 0.01 * s + 0.005 * i, "weight": w}
        for i, k in enumerate(transfers.KINDS)
        for s in range(5)
        for w in [0.1 if k == "attention" else None]
    ]
    table = tables.transfers_table({"rows": rows})
    wanted = ["soft targets", "", "92.50 ± 1.96", "0.50 ± 0.00"]
    assert line(table, "soft targets") == wanted
    assert line(table, "attention")[1] == "0.1"


def test_cifar10_is_paired_on_the_same_images():
    def record(wrong):
        return {"wrong": wrong, "test_accuracy": 1 - len(wrong) / 10_000}

    records = {
        ("alone", 0): record(list(range(1200))),
        ("from-resnet20", 0): record(list(range(100, 1100))),
    }
    row = line(tables.cifar10_table(records), "0")
    assert row[1:3] == ["88.00", "90.00"] and row[3].startswith("+2.00 (+1.7")
    assert float(row[4]) < 1e-40


def test_the_chosen_rate_is_bold():
    rows = [
        entry | {"validation_errors": round(1000 * entry["learning_rate"]) % 9}
        for entry in temperatures.choosing()
    ]
    table = tables.rates_table({"rows": rows}).splitlines()
    rates = [row.split("|")[2].strip() for row in table[2:5]]
    assert rates == ["0.001", "0.003", "0.01"]
    assert table[2].count("**1**") == 8
    assert table[4].count("| 1 ") == 8 and "**" not in table[3] + table[4]


def test_a_star_is_a_difference_from_labels_alone():
    errors = {"nothing": 900, "labels": 200, "T = 1": 200, "T = 4": 150, "T = 20": 260}
    noise = {"T = 1": (1, -1), "T = 4": (0, 0), "T = 20": (0, 0)}
    rows = [
        {"damage": damage, "told": told, "seed": seed}
        | {"test_errors": errors[told] + seed + noise.get(told, (0, 0))[seed]}
        for damage in ("2 bits",)
        for told in repair.TOLD
        for seed in (0, 1)
    ]
    rows.append({"damage": "none", "told": "nothing", "seed": 0, "test_errors": 9})
    row = line(tables.repair_table({"rows": rows}), "2 bits")
    assert row[1] == "900.5 ± 6.4" and ["*" in cell for cell in row[1:]] == [
        False, False, False, True, True
    ]  # fmt: skip
    untouched = line(tables.repair_table({"rows": rows}), "none")
    assert untouched[1].startswith("9.0") and untouched[2:] == [""] * 4


def test_one_seed_has_no_interval():
    assert tables.spread([1.0]) == "1.0 ± inf"
    with pytest.raises(ValueError, match="nothing to pair"):
        tables.spread([])
