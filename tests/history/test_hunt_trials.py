from __future__ import annotations

import hunt_trials


def test_the_table_of_the_document_is_that_of_the_trials() -> None:
    text = hunt_trials.DOCUMENT.read_text("utf-8")

    assert f"{hunt_trials.BEGIN}\n{hunt_trials.table()}\n{hunt_trials.END}" in text


def test_every_case_was_tried() -> None:
    assert {trial["case"] for trial in hunt_trials._load()} == hunt_trials.CASES.keys()
