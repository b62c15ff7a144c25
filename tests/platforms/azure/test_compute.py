from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from platforms.azure.compute import AzureCompute
from platforms.azure.machine_learning import MachineLearning
from platforms.azure.run_history import Waiting
from platforms.errors import JobFailedError, PlatformError
from platforms.usage import Usage
from platforms.values import TrainingJob
from tests.emulator.blobs import Blobs
from tests.emulator.faults import Fault, Kind
from tests.emulator.jobs import Jobs
from tests.emulator.world import World
from tests.platforms.azure.faulty import KINDS
from tests.platforms.azure.workspaces import Workspace
from tests.waiting import wait_for

RUNS = "/history/"

pytestmark = pytest.mark.filterwarnings("ignore::marshmallow.warnings.RemovedInMarshmallow4Warning")


@pytest.fixture
def job(workspace: Workspace) -> TrainingJob:
    """A job of its own on a table that exists."""
    workspace.storage.write("tables/r/_delta_log/1.json", b"{}")
    return TrainingJob(f"r-{uuid.uuid4().hex}", "r", 7, {"alpha": 0.4, "word": "a b"}, {"flow_run": "f1"})


@pytest.fixture
def jobs(world: World) -> Iterator[Jobs]:
    found = world.part(Jobs)
    yield found
    found.preempt(0)
    world.part(Blobs).expire(0)


def names(jobs: Jobs, job: TrainingJob) -> list[str]:
    return [name for name in jobs.known if name.startswith(job.name)]


def test_a_job_runs_once_and_tells_its_lines_each_time(
    workspace: Workspace, machine_learning: MachineLearning, job: TrainingJob, jobs: Jobs, tmp_path: Path
) -> None:
    compute = workspace.compute("print(sorted(p.name for p in table.rglob('*.json'))); finish(); print('é', end='')")
    lines: list[str] = []
    folder = compute.run(job, lines.append)
    assert (folder / "result.json").exists()
    assert (folder / "model" / "MLmodel").read_text() == "flavors: {}"
    words = ["--recipe r --dataset-version 7", "--param=alpha=0.4 --param=word=a b"]
    assert all(part in lines[0] for part in words)
    assert lines[1:] == ["['1.json']", "é"]
    found = machine_learning.client.jobs.get(job.name)
    assert found.tags == {"recipe": "r", "dataset_version": "7", "job": job.name, "flow_run": "f1"}
    assert found.inputs["table"].path == "r:7"
    usage = Usage.read(folder)
    assert usage
    assert usage.node_seconds > 0
    assert usage.cost == pytest.approx(0.059 / 3600 * usage.node_seconds, abs=1e-6)
    again: list[str] = []
    assert compute.run(job, again.append) == folder
    assert again == lines
    assert jobs.known[job.name].runs == 1


@pytest.mark.long
def test_lines_come_while_the_job_runs(workspace: Workspace, job: TrainingJob, tmp_path: Path) -> None:
    go = tmp_path / "go"
    workspace.compute(f"wait_for({str(go)!r}); finish()").run(job, lambda line: go.touch())


def test_a_failed_job_tells_its_last_lines_and_is_tried_again_under_another_name(
    workspace: Workspace, job: TrainingJob, jobs: Jobs
) -> None:
    failing = workspace.compute("[print('line', n) for n in range(50)]; raise ValueError('bad alpha')")
    for name in (job.name, f"{job.name}-2"):
        with pytest.raises(JobFailedError) as caught:
            failing.run(job, lambda line: None)
        message = str(caught.value)
        assert message.startswith(f"training job {job.name} failed: job {name} failed: Execution failed. ")
        assert message.endswith("ValueError: bad alpha")
        assert len(message.splitlines()) == 21
    assert workspace.compute().run(job, lambda line: None).parent.name == f"{job.name}-3"
    assert names(jobs, job) == [job.name, f"{job.name}-2", f"{job.name}-3"]


@pytest.mark.long
def test_an_end_without_a_result_is_a_failure(workspace: Workspace, job: TrainingJob) -> None:
    with pytest.raises(JobFailedError, match=r"completed without a result\.json"):
        workspace.compute("").run(job, lambda line: None)
    assert workspace.compute().run(job, lambda line: None)


@pytest.mark.long
def test_a_job_that_takes_too_long_is_ended(workspace: Workspace, job: TrainingJob) -> None:
    with pytest.raises(JobFailedError, match="longer than its limit"):
        workspace.compute("time.sleep(60)", timeout=1).run(job, lambda line: None)


@pytest.mark.long
def test_an_exception_of_the_caller_cancels_the_job(workspace: Workspace, job: TrainingJob, jobs: Jobs) -> None:
    def stop(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workspace.compute("time.sleep(60)").run(job, stop)
    jobs.known[job.name].join()
    assert jobs.known[job.name].status == "Canceled"


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_while_cancelling_leaves_no_job(
    workspace: Workspace, job: TrainingJob, jobs: Jobs, world: World, kind: Kind
) -> None:
    def stop(line: str) -> None:
        raise KeyboardInterrupt

    fault = Fault(kind, f"/jobs/{job.name}/cancel", times=2)
    with world.faults.on(fault), pytest.raises(KeyboardInterrupt):
        workspace.compute("time.sleep(60)").run(job, stop)
    assert fault.hits == 2
    wait_for(lambda: jobs.known[job.name].status == "Canceled")


def test_a_second_caller_attaches_to_the_running_job(
    workspace: Workspace, job: TrainingJob, jobs: Jobs, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    compute = workspace.compute(f"wait_for({str(go)!r}); print('done'); finish()")
    seen: list[list[str]] = [[], []]
    first = threading.Thread(target=compute.run, args=(job, seen[0].append))
    first.start()
    wait_for(lambda: seen[0])

    def on_line(line: str) -> None:
        seen[1].append(line)
        go.touch()

    compute.run(job, on_line)
    first.join()
    assert seen[0] == seen[1]
    assert names(jobs, job) == [job.name]


def test_a_node_that_is_taken_away_starts_the_job_anew(workspace: Workspace, job: TrainingJob, jobs: Jobs) -> None:
    jobs.preempt(1)
    lines: list[str] = []
    workspace.compute("time.sleep(0.2); finish()").run(job, lines.append)
    assert jobs.known[job.name].runs == 2
    assert names(jobs, job) == [job.name]
    assert lines[-1].startswith("started")


@pytest.mark.long
def test_waiting_for_a_node_is_told(workspace: Workspace, job: TrainingJob, jobs: Jobs) -> None:
    jobs.queue_seconds = 0.5
    try:
        usage = Usage.read(workspace.compute().run(job, lambda line: None))
    finally:
        jobs.queue_seconds = 0.0
    assert usage
    assert usage.queue_seconds >= 0.5


@pytest.mark.long
def test_a_job_that_gets_no_node_is_cancelled_with_the_reason_of_the_cluster(
    workspace: Workspace, job: TrainingJob, jobs: Jobs, world: World
) -> None:
    cluster = f"{workspace.settings.workspace_id}/computes/{workspace.settings.cluster}"
    said: list[str] = []
    jobs.queue_seconds = 2.0
    fail_allocation(world, cluster, "Not enough quota available for low-priority cores.")
    try:
        with pytest.raises(
            JobFailedError, match=r"than Queued for 0.3 s .*QUEUE_TIMEOUT.*ridgeline: Not enough quota"
        ):
            workspace.with_settings(queue_timeout=0.3).compute().run(job, pytest.fail, said.append)
    finally:
        jobs.queue_seconds = 0.0
        fail_allocation(world, cluster)
    assert said[-1] == f"Azure ML job {job.name} is Queued"
    jobs.known[job.name].join()
    assert jobs.known[job.name].status == "Canceled"
    workspace.compute().run(job, lambda line: None, said.append)
    assert said[-1] == f"Azure ML job {job.name}-2 is Completed"


@pytest.mark.long
def test_only_waiting_counts_against_the_limit(workspace: Workspace, job: TrainingJob) -> None:
    limited = workspace.with_settings(queue_timeout=0.5)
    assert limited.compute("time.sleep(1); finish()").run(job, lambda line: None)


@pytest.mark.parametrize("status", ["NotResponding", "Paused"])
def test_a_job_that_does_not_answer_waits_too(status: str) -> None:
    said: list[str] = []
    waiting = Waiting("j", said.append)
    time.sleep(0.05)
    assert waiting.seconds("Running") < 0.05
    time.sleep(0.05)
    assert waiting.seconds(status) >= 0.05
    assert said == ["Azure ML job j is Running", f"Azure ML job j is {status}"]


def fail_allocation(world: World, cluster: str, *messages: str) -> None:
    errors = [{"error": {"code": "ClusterCoreQuotaReached", "message": message}} for message in messages]
    world.resources.change(cluster, lambda found: found["properties"]["properties"].update(errors=errors))


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_while_submitting_makes_one_job(
    workspace: Workspace, job: TrainingJob, jobs: Jobs, world: World, kind: Kind
) -> None:
    with world.faults.on(Fault(kind, f"/jobs/{job.name}", times=2), Fault(kind, "/codes/", times=2)):
        workspace.compute().run(job, lambda line: None)
    assert names(jobs, job) == [job.name]
    assert jobs.known[job.name].runs == 1


@pytest.mark.long
def test_an_upload_whose_answer_was_lost_is_made_again(
    workspace: Workspace, job: TrainingJob, jobs: Jobs, world: World
) -> None:
    """The SDK sends it again after 15 s, is told that the file is there, and would wait for ever if nobody looked."""
    lines: list[str] = []
    lost = Fault("drop-answer", r"/code/.*\.py$", "PUT")
    with world.faults.on(lost):
        workspace.compute(f"print({job.name!r}); finish()").run(job, lines.append)
    assert lost.hits == 1
    assert lines[-1] == job.name
    assert names(jobs, job) == [job.name]


@pytest.mark.long
def test_expired_addresses_are_asked_for_again(
    workspace: Workspace, job: TrainingJob, jobs: Jobs, world: World
) -> None:
    world.part(Blobs).expire(2)
    lines: list[str] = []
    workspace.compute(f"print({job.name!r}); finish()").run(job, lines.append)
    assert lines[-1] == job.name
    assert names(jobs, job) == [job.name]


@pytest.mark.long
def test_no_line_is_lost_when_the_address_of_the_log_has_expired(
    workspace: Workspace, job: TrainingJob, world: World, tmp_path: Path
) -> None:
    lines: list[str] = []

    def on_line(line: str) -> None:
        if not lines:
            world.part(Blobs).expire(1)
            (tmp_path / "go").touch()
        lines.append(line)

    workspace.compute(f"wait_for({str(tmp_path / 'go')!r}); print('last'); finish()").run(job, on_line)
    assert [line.split()[0] for line in lines] == ["started", "last"]


@pytest.mark.long
def test_a_job_goes_on_while_azure_cannot_be_asked_and_is_attached_to(
    workspace: Workspace, job: TrainingJob, jobs: Jobs, world: World, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    compute = workspace.compute(f"wait_for({str(go)!r}); finish()")
    with (
        world.faults.on(Fault("drop", RUNS, times=1000)),
        pytest.raises(PlatformError, match=f"job {job.name} in workspace ridgeline.*attach to it"),
    ):
        compute.run(job, lambda line: None)
    assert jobs.known[job.name].status in {"Starting", "Queued", "Running"}
    go.touch()
    compute.run(job, lambda line: None)
    assert jobs.known[job.name].runs == 1


def test_a_cluster_that_is_missing_is_named(workspace: Workspace, job: TrainingJob) -> None:
    other = workspace.with_settings(cluster="none")
    with pytest.raises(PlatformError, match="computeId"):
        other.compute().run(job, lambda line: None)


def test_only_what_trains_is_uploaded(workspace: Workspace, job: TrainingJob) -> None:
    compute: AzureCompute = workspace.compute("import os; print(sorted(os.listdir())); finish()")
    lines: list[str] = []
    compute.run(job, lines.append)
    assert lines[1] == "['recipes', 'scoring_service', 'training']"
