from __future__ import annotations

from dataclasses import replace

from platforms.jobs import arguments, failure
from platforms.lines import LAST_LINES, Lines
from platforms.values import TrainingJob

JOB = TrainingJob("r-1", "r", 7, {"alpha": 0.4})


def test_a_failure_ends_with_the_last_lines() -> None:
    lines = Lines(lambda line: None)
    lines.feed(b"".join(b"line %d\n" % number for number in range(50)))
    text = str(failure(JOB, "it ended", "the log", lines))
    assert text.startswith("training job r-1 failed: it ended. Last lines of the log:\nline 30\n")
    assert len(text.splitlines()) == LAST_LINES + 1


def test_the_arguments_say_what_to_do() -> None:
    assert arguments(JOB) == ["--recipe", "r", "--dataset-version", "7", "--param=alpha=0.4"]
    assert arguments(replace(JOB, code={"git_tree": "clean"}))[5:] == ["--code=git_tree=clean"]
