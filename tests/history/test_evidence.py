from __future__ import annotations

from xml.etree import ElementTree

from openhands_ray.history.evidence import Row, svg_plot, text_plot

ROWS = [
    Row("aaaaaaaa before it", (1.0, 1.0, 1.1, 1.05)),
    Row("bbbbbbbb <culprit>", (2.0, 2.1, 2.0, 3.0), culprit=True),
    Row("cccccccc", ()),
]
SVG = "{http://www.w3.org/2000/svg}"


def test_the_text_has_a_line_for_each_commit_with_runs_on_one_axis() -> None:
    before, culprit, axis = text_plot(ROWS, "seconds", width=41)

    # A character is a twentieth of a second. The median of the first row falls together with its two least runs.
    margin = len("aaaaaaaa before it ")
    assert before[margin:].split() == ["|..", "1.02s"]
    assert culprit[margin + 20 : margin + 41] == "2|." + " " * 17 + "."
    assert axis.split() == ["1.00s", "3.00s"]


def test_the_text_names_the_median() -> None:
    assert text_plot(ROWS, "MB")[1].endswith("2.05 MB")


def test_equal_values_have_an_axis_too() -> None:
    assert len(text_plot([Row("a", (5.0, 5.0))], "%")) == 2


def test_nothing_is_drawn_of_nothing() -> None:
    assert text_plot([Row("a", ())], "%") == []
    ElementTree.fromstring(svg_plot([], "%", "nothing"))


def test_the_picture_has_every_run_and_marks_the_culprit() -> None:
    tree = ElementTree.fromstring(svg_plot(ROWS, "seconds", "a & b"))

    groups = {group.attrib["class"]: group for group in tree.iter(f"{SVG}g")}
    assert {name: len(group.findall(f"{SVG}circle")) for name, group in groups.items()} == {"other": 4, "culprit": 4}
    label = groups["culprit"].find(f"{SVG}text")
    assert label is not None
    assert label.text == "bbbbbbbb <culprit>"
    title = tree.find(f"{SVG}title")
    assert title is not None
    assert title.text == "a & b"
    places = [float(circle.attrib["cx"]) for circle in groups["culprit"].findall(f"{SVG}circle")]
    assert places[0] == places[2]
    assert places[3] - places[0] == 10 * (places[1] - places[0]) > 0
