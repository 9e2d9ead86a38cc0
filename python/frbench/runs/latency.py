"""Times searches, on processors and on GPUs, from options to a directory."""

from __future__ import annotations

from dataclasses import replace

from frbench import files
from frbench.counting.latency import LatencyTask, measure_runs
from frbench.counting.sweep import Progress
from frbench.engines.gpu import devices
from frbench.finished_run import FinishedRun
from frbench.page import render
from frbench.results.latency import latency_results
from frbench.runs.directory import heading, prepare_run, write_run
from frbench.runs.manifest import Clock, run_manifest, sources_of_search
from frbench.runs.options import Options


def run_latency(task: LatencyTask, options: Options, *, runs: int, progress: Progress) -> FinishedRun:
    """Times searches and writes the run to `options.out`."""
    sources = sources_of_search(task.gallery, task.probes)
    prepare_run(options, [source.path for source in sources])
    clock = Clock()
    plan = task.plan()
    with clock.time("measure"), progress.step("latency", runs * task.requests * len(plan.cells), "requests") as advance:
        tally = measure_runs(task, runs, advance)
    found = latency_results(tally, groupings=options.groupings)
    engine = task.open_engine().describe()
    made = run_manifest(options, plan, sources=sources, engine=engine, clock=clock, more={})
    return write_run(FinishedRun(found, made, tally), options.out, with_report=options.with_report)


def run_latencies(
    task: LatencyTask, options: Options, engine: str | None, *, runs: int, progress: Progress
) -> list[FinishedRun]:
    """Times searches on the engine that was asked for: if none was, on the processors and, where there are, on GPUs.

    The run of the GPUs is in the directory gpu of the other, whose page shows both.

    Raises
    ------
    EngineUnavailable : the GPU was asked for, and there is none; the message says what is missing.
    """
    on_gpu = replace(
        task, engine="gpu", hardware=f"{task.hardware}, {', '.join(each['name'] for each in devices.found())}"
    )
    if engine == "gpu":
        return [run_latency(on_gpu, options, runs=runs, progress=progress)]
    sections = [run_latency(task, options, runs=runs, progress=progress)]
    if engine is None and devices.missing() is None:
        beside = replace(options, out=options.out / "gpu", engine="gpu", with_report=False)
        sections.append(run_latency(on_gpu, beside, runs=runs, progress=progress))
        if options.with_report:
            files.write(options.out / "report.html", render(sections, title=heading(sections[0])))
    return sections
