#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""cnn3d plan: its figures are consistent, its recommendation fits, each GPU has an answer, and invalid options
are reported."""
import json
import os
import re
import shutil
import subprocess

import launch

KINDS = ("weights-bytes", "copy-bytes", "gradients-bytes", "optimizer-bytes", "input-bytes", "activations-bytes",
         "workspace-bytes")
# 24, 24, 12, 10 and 8 GB: cards often limited to batches of one or two
CARDS = ("rtx4090", "rtx3090", "rtx3080ti", "rtx3080", "rtx3070")


def tool(*options, **more):
    return subprocess.run([os.path.join(os.environ["CNN3D_BUILD"], "tool", "cnn3d"), "plan", *options],
                          timeout=launch.limit(100), env=launch.environment(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def plan(*options, **more):
    done = tool("--json", *options, **more)
    assert not done.stderr, (options, launch.text(done.stderr))
    answer = json.loads(done.stdout)
    # 1: nothing fits anywhere
    assert done.returncode == (not any(one["recommended"] for one in answer)), (options, done.returncode)
    return answer


def check(answer):
    """Checks that hold for every answer"""
    asked, best = answer["asked"], answer["recommended"]
    for way in [asked, *answer["knobs"], *([best] if best else [])]:
        assert sum(way[kind] for kind in KINDS) == way["predicted-bytes"], way
        assert way["bytes"] == way["predicted-bytes"] + way["context-bytes"] + way["exchange-bytes"], way
        # where a store is a file, the disk may have no room for it
        assert way["fits"] <= (way["bytes"] <= answer["budget-bytes"]), way
        assert way["fits"] or way["bytes"] > answer["budget-bytes"] or way["store-bytes"], way
        assert (way["store-bytes"] > 0) == (way["copied-bytes"] > 0) <= (way["recompute"] == "offload"), way
        assert 0 <= way["copies-waited-for"] < 1, way
    most = answer["largest-batch"]
    assert most["none"] <= most["bn"] <= most["block"], most
    assert most["block"] <= most["offload"] or not answer["gpu"], most
    if best:
        assert best["fits"] and best["batch-size"] * best["accumulate-grad-batches"] == answer["clips-per-step"], best
        for setting in "batch-size=%d" % best["batch-size"], "recompute=%s" % best["recompute"]:
            assert setting in best["settings"], best
        assert (" convolution=%s" % answer["convolution"] in best["settings"]) == (answer["convolution"] != "auto"), answer
        # larger batches first, then time
        if asked["fits"]:
            assert best["batch-size"] > asked["batch-size"] or (
                best["batch-size"] == asked["batch-size"] and best["time"] <= 1), best
    return answer


def cards(folder):
    """Each card fits slow_r50 at 16x224x224 with four clips unsplit; how many are accumulated has no effect on what
    each batch takes, which one card shows"""
    notes = []
    for card in CARDS:
        asked = []
        for clips in (8, 256) if card == CARDS[-1] else (8,):
            answer = check(plan("--gpu", card, "--model", "slow_r50", "--num-frames", "16", "--size", "224", "--precision",
                              "16-mixed", "--batch-size", "4", "--accumulate-grad-batches", str(clips // 4))[0])
            assert answer["gpu"] == card and answer["asked"]["fits"] and answer["recommended"], answer
            assert answer["asked"]["batch-size"] == 4 <= answer["largest-batch"]["none"], answer
            asked.append(answer["asked"]["bytes"])
        assert len(set(asked)) == 1, (card, asked)
        notes.append("%s: %s in one piece" % (card, answer["largest-batch"]))
    return notes


def budgets(folder):
    """A smaller budget is met, down to where nothing fits"""
    seen = set()
    # oneDNN's convolutions are compared for each new size, which takes long for large ones
    small = "--device", "cpu", "--size", "56", "--base-width", "8"
    for mib in 250, 140, 120, 110, 90, 80, 60:
        answer = check(plan(*small, "--batch-size", "12", "--budget", "%dMiB" % mib)[0])
        assert answer["budget-bytes"] == mib << 20, answer
        best = answer["recommended"]
        seen.add((best["batch-size"], best["recompute"]) if best else None)
    assert len(seen) >= 4 and None in seen, seen
    done = tool(*small, "--budget", "40MiB")
    assert done.returncode == 1 and b"Nothing fits with these sizes" in done.stdout, done
    assert tool(*small, "--budget", "40MiB", "--roofline").returncode == 0
    return [str(seen)]


def without_cudnn(folder):
    """Without cuDNN a bound is used, never below cuDNN's value, and the answer says so"""
    options = "--gpu", "rtx3070", "--model", "r3d_18", "--batch-size", "4"
    bound = check(plan(*options, CNN3D_CUDNN=os.path.join(folder, "none.so"))[0])
    assert "bound" in bound["device"], bound["device"]
    real = check(plan(*options)[0])
    if "cuDNN" not in real["device"]:
        raise launch.Skip("cuDNN is not installed")
    assert real["asked"]["bytes"] <= bound["asked"]["bytes"], (real["asked"], bound["asked"])


def configured(folder):
    """A configuration's values are used, and options override them"""
    config = os.path.join(launch.TOP, "configs", "config_low_memory.yaml")
    quick = "--device", "cpu", "--size", "64"
    answer = check(plan("--config", config, *quick)[0])
    assert answer["budget-bytes"] == 7 << 30 and answer["clips-per-step"] == 8 and answer["model"] == "r3d_18", answer
    answer = check(plan("--config", config, *quick, "--model", "mc3_18", "--budget", "5GiB", "--batch-size", "3")[0])
    assert answer["budget-bytes"] == 5 << 30 and answer["clips-per-step"] == 6 and answer["model"] == "mc3_18", answer
    small = "data: {batch_size: 8, num_frames: 4, img_size: 32, video_batch_size: 3%s}\nmodel: {base_width: 8}\n%s"
    found, ways = [], {}
    for more in ("", ""), (", num_workers: 1", "trainer: {gradient_clip_val: 1}\n"), ("", "loss: {momentum: 0}\n"), (
            "", "train: {use_chunking_in_train: true}\n"):
        with open(os.path.join(folder, "small.yaml"), "w") as file:
            file.write(small % more)
        answer = check(plan("--config", os.path.join(folder, "small.yaml"), "--device", "cpu")[0])
        found.append(answer["asked"])
        assert answer["largest-batch"]["block"] <= 4096, answer
    plain, clips, no_momentum, chunks = found
    assert clips["gradients-bytes"] > 0 == plain["gradients-bytes"], "gradient clipping is not planned for"
    assert plain["optimizer-bytes"] > 0 == no_momentum["optimizer-bytes"], "momentum is not planned for"
    assert plain["batch-size"] == 8 and chunks["batch-size"] == 3, "chunking is not planned for"
    with open(os.path.join(folder, "small.yaml"), "w") as file:
        file.write(small % ("", "trainer: {convolution: direct}\n"))
    for options in [], ["--convolution=winograd"], ["--convolution=auto"]:
        answer = check(plan("--config", os.path.join(folder, "small.yaml"), "--device", "cpu", *options)[0])
        ways[answer["convolution"]] = answer["asked"]
    assert sorted(ways) == ["auto", "direct", "winograd"], ways
    if " avx2 " in launch.read("/proc/cpuinfo").decode():
        assert ways["direct"]["workspace-bytes"] != ways["winograd"]["workspace-bytes"], ways


def devices(folder):
    """The configuration names the device, which --device and --gpu override; its recipe is refused"""
    path = os.path.join(folder, "device.yaml")
    small = "--config", path, "--base-width=8", "--num-frames=4", "--size=32"
    with open(path, "w") as file:
        file.write("trainer: {device: 'cuda:1023'}\n")
    for options, words in ((), "device=cuda:1023: "), (["--device=cuda:1022"], "device=cuda:1022: "):
        done = tool(*small, *options)
        assert done.returncode == 1 and words in launch.text(done.stderr) and not done.stdout, done
    for device in "gpu", "cuda:", "cuda:x", "cuda:1x", "cuda:-1", "cuda:1024":
        done = tool(*small, "--device=" + device)
        assert done.returncode == 2 and "--device=%s: use auto, cpu, cuda or cuda:N; " % device in launch.text(done.stderr), done
    assert plan(*small, "--device=cpu")[0]["device"].startswith("CPU, ")
    with open(path, "w") as file:
        file.write("model: {preset: slow_r50-adam}\n")
    done = tool(*small)
    assert done.returncode == 1 and ("device.yaml: model.preset is 'slow_r50-adam', and a plan does not know its settings: "
                                     "write them as keys") in launch.text(done.stderr), done


def all_cards(folder):
    """--gpu all is every card, wherever it stands, and others come with it, each once"""
    known = sorted(name[:-5] for name in os.listdir(os.path.join(launch.TOP, "configs", "gpus")) if name.endswith(".json"))
    own = os.path.join(folder, "mine.json")
    shutil.copy(os.path.join(launch.TOP, "configs", "gpus", "rtx3070.json"), own)
    done = tool("--gpu=rtx3070", "--gpu=all", "--gpu=" + own, "--model=mc3_18", "--base-width=4", "--num-frames=2", "--size=16",
                "--batch-size=1", "--roofline")
    text = launch.text(done.stdout)
    assert done.returncode == 0 and text.count("TFLOP/s and ") == len(known) + 1, (done.returncode, len(known), text[-2000:])
    return ["%d cards" % len(known)]


def tf32(folder):
    """Without trainer.allow_tf32 a GPU is slower, which --gpu plans for whatever the configuration's device is"""
    path = os.path.join(folder, "tf32.yaml")
    rates = []
    for allowed in "true", "false":
        with open(path, "w") as file:
            file.write("trainer: {device: cpu, allow_tf32: %s}\n" % allowed)
        done = tool("--config", path, "--base-width=8", "--num-frames=4", "--size=32", "--gpu=h100", "--roofline")
        rates.append(float(re.search(r"([\d.]+) TFLOP/s", launch.text(done.stdout)).group(1)))
    assert rates[0] > rates[1], rates


def keypoints(folder):
    """Key points are planned for: their heat maps take memory, which the suggested settings reduce"""
    small = "--device", "cpu", "--batch-size", "2", "--base-width", "8", "--budget", "300MiB"
    kpt = *small, "--load-kpt", "true", "--load-rgb", "false", "--model", "posec3d_slowonly"
    answer = {}
    for name, options in {"rgb": small, "concat": (*small, "--load-kpt", "true"),
                          "stem": (*small, "--load-kpt", "true", "--fusion", "stem"), "kpt": kpt}.items():
        answer[name] = check(plan(*options)[0])
    assert "keypoints" not in answer["rgb"] and "persons" not in answer["rgb"], answer["rgb"]
    assert (answer["kpt"]["keypoints"], answer["kpt"]["persons"]) == (17, 2), answer["kpt"]
    total = {name: one["asked"]["predicted-bytes"] for name, one in answer.items()}
    assert total["rgb"] < total["stem"] < total["concat"] > total["kpt"], total
    knobs = {name: {knob["setting"]: knob["predicted-bytes"] for knob in one["knobs"]} for name, one in answer.items()}
    assert knobs["concat"]["input-type=rgb"] == total["rgb"], (knobs["concat"], total)
    assert knobs["kpt"]["heatmap-size=28"] < total["kpt"] / 2 and "heatmap-size=28" not in knobs["stem"], knobs
    # the size of unused frames has no effect
    larger = check(plan(*kpt, "--size", "224")[0])
    assert larger["asked"] == answer["kpt"]["asked"], (larger["asked"], answer["kpt"]["asked"])
    assert "width=112,height=112" not in {knob["setting"] for knob in larger["knobs"]}, larger["knobs"]
    text = launch.text(tool(*kpt).stdout)
    assert text.startswith("posec3d_slowonly, 16 frames of 17 key points of 2 persons in 56x56, batch 2"), text
    text = launch.text(tool(*small, "--load-kpt", "true", "--persons", "1", "--skeleton", "body25").stdout)
    assert text.startswith("r3d_18, 16x112x112 and 25 key points of 1 person in 56x56, batch 2"), text


def ranks(folder):
    """Of several processes each has its share of the optimizer's state, and sends what a ring would"""
    told = {n: plan("--device", "cpu", "--model", "r3d_18", "--num-frames", "8", "--size", "64", "--optimizer", "adamw",
                    "--accumulate-grad-batches", "2", "--world-size", str(n))[0] for n in (1, 2, 8)}
    alone = told[1]["asked"]
    assert alone["sent-bytes"] == 0 and told[8]["world-size"] == 8, told
    trained = alone["weights-bytes"]
    for n in (2, 8):
        asked = told[n]["asked"]
        assert abs(asked["optimizer-bytes"] * n / alone["optimizer-bytes"] - 1) < 0.03, asked
        # the gradient of two batches, and the weights
        assert abs(asked["sent-bytes"] / ((2 + 1) * trained * (n - 1) / n) - 1) < 0.03, asked
        seconds = {link["link"]: link["sent-seconds"] for link in told[n]["links"]}
        assert list(seconds) == ["10 Gbit/s", "25 Gbit/s", "100 Gbit/s", "PCIe 4.0 x16", "NVLink 4"], seconds
        assert abs(seconds["25 Gbit/s"] * 25e9 / 8 / asked["sent-bytes"] - 1) < 1e-9, seconds
        # gradients are sent beside the computation, but for the last bucket of each batch, of at most 8 MiB
        gradients = 2 * trained * (n - 1) / n
        assert gradients * 0.97 - 2 * (8 << 20) < told[n]["sent-beside-bytes"] < gradients * 1.03, told[n]
        for link in told[n]["links"]:
            least = (asked["sent-bytes"] - told[n]["sent-beside-bytes"]) / asked["sent-bytes"]
            assert abs(link["never-hidden-seconds"] / link["sent-seconds"] / least - 1) < 1e-9, link
            assert 9 * link["never-hidden-seconds"] <= link["suffices-seconds"] * 1.000001 < 9 * link["sent-seconds"], link
    text = launch.text(tool("--device", "cpu", "--num-frames", "8", "--size", "64", "--world-size", "8").stdout)
    assert "in 15 buckets of gradients, while the others are computed, and " in text, text
    small = "--device", "cpu", "--base-width", "8", "--num-frames", "4", "--size", "32", "--world-size", "8"
    both = [plan(*small, "--sync-batch-norm", sync)[0] for sync in ("false", "true")]
    apart, synced = (one["asked"] for one in both)
    assert both[0]["sent-beside-bytes"] == both[1]["sent-beside-bytes"] == 0, both
    for sync in "false", "true":
        text = launch.text(tool(*small, "--sync-batch-norm", sync).stdout)
        assert "nothing of that is hidden" in text, text
    # for batch norm 2 c + 1 numbers forwards, as many backwards, of r3d_18's layers
    channels = [8] * 5 + [16] * 5 + [32] * 5 + [64] * 5
    sums = 7 * 8 * sum(2 * (2 * c + 1) for c in channels)
    assert synced["sent-bytes"] - apart["sent-bytes"] == sums, (sums, apart, synced)
    assert synced["predicted-bytes"] >= apart["predicted-bytes"] + 8 * 8 * (2 * 64 + 1), (apart, synced)
    # on GPUs NCCL has buffers, too: of 4 channels for each other rank, 10 MiB of 4 MiB, 512 KiB and 4800 KiB
    gpu = "--gpu", "rtx3070", "--num-frames", "8", "--size", "64", "--world-size", "3"
    told = check(plan(*gpu)[0])
    asked = told["asked"]
    gradients = asked["weights-bytes"] * 2 / 3
    assert gradients * 0.97 - (8 << 20) < told["sent-beside-bytes"] < gradients * 1.03, told
    # with activations on their way from and to the host all are sent at the end
    assert plan(*gpu, "--recompute", "offload")[0]["sent-beside-bytes"] == 0
    assert asked["exchange-bytes"] == 2 * 4 * (10 << 20), asked
    assert abs(asked["optimizer-bytes"] * 3 / asked["weights-bytes"] - 1) < 0.03, asked
    for wrong, rc, said in ((("--world-size", "0"), 2, "give a number of processes from 1 to 65536"),
                            (("--gpu", "rtx3070", "--world-size", "2", "--sync-batch-norm", "true"), 1,
                             "sync-batch-norm works on the CPU only")):
        refused = tool(*wrong)
        assert refused.returncode == rc and said in refused.stderr.decode(), refused


def views(folder):
    """Several views of a sample are planned for, as many clips in a row would be, but in one sample"""
    small = "--device", "cpu", "--base-width", "8", "--num-frames", "4", "--size", "64", "--budget", "800MiB"
    told = {name: check(plan(*small, *options)[0]) for name, options in {
        "one": ("--batch-size", "2"), "six": ("--batch-size", "6"), "views": ("--batch-size", "2", "--views", "3"),
        "concat": ("--batch-size", "2", "--views", "3", "--view-fusion", "concat")}.items()}
    bytes_of = {name: one["asked"]["predicted-bytes"] for name, one in told.items()}
    assert bytes_of["one"] < bytes_of["six"] <= bytes_of["views"] < 1.05 * bytes_of["six"], bytes_of
    assert told["views"]["asked"]["weights-bytes"] == told["one"]["asked"]["weights-bytes"], told["views"]
    assert told["concat"]["asked"]["weights-bytes"] > told["one"]["asked"]["weights-bytes"], told["concat"]
    assert "views" not in told["one"] and told["views"]["clips-per-step"] == 2, told
    assert (told["concat"]["views"], told["concat"]["view-fusion"]) == (3, "concat"), told["concat"]
    with open(os.path.join(folder, "views.yaml"), "w") as file:
        file.write('data: {views: "front,left,top"}\n')
    named = check(plan(*small, "--batch-size", "2", "--config", os.path.join(folder, "views.yaml"))[0])
    assert named["views"] == 3, named
    text = launch.text(tool(*small, "--batch-size", "2", "--views", "3").stdout)
    assert text.startswith("r3d_18, 3 views of 4x64x64, batch 2"), text
    text = launch.text(tool(*small, "--batch-size", "2", "--views", "3", "--roofline").stdout)
    assert text.startswith("r3d_18, 3 views of 4x64x64, batch 2") and "\nviews " in text, text


def offload(folder):
    """In host memory between the two passes, blocks' outputs leave room for larger batches"""
    options = "--gpu", "rtx3070", "--model", "slow_r50", "--num-frames", "16", "--size", "224", "--precision", "16-mixed", \
        "--optimizer", "adam"
    answer = check(plan(*options, "--batch-size", "4", "--recompute", "offload")[0])
    most, asked = answer["largest-batch"], answer["asked"]
    assert most["offload"] >= 1.5 * most["block"], most
    assert asked["recompute"] == "offload" and asked["batch-size"] == 4 and asked["store-bytes"] > 0, asked
    assert asked["predicted-bytes"] <= 1.6 * 2**30, asked
    # bytes that are stored come back
    assert asked["copied-bytes"] > 1.99 * asked["store-bytes"], asked
    text = launch.text(tool(*options, "--batch-size", "4").stdout)
    assert "recompute=offload: " in text and " of pinned host memory; of a step, by count, copies take " in text, text
    # it is taken where nothing cheaper fits
    answer = check(plan(*options, "--batch-size", str(most["block"] + 1))[0])
    assert answer["asked"]["recompute"] == "offload" and answer["asked"]["fits"], answer["asked"]
    # on a CPU it has to be asked for
    small = "--device", "cpu", "--model", "slow_r50", "--base-width", "16", "--num-frames", "8", "--size", "64", "--batch-size", "4"
    ways = {knob["setting"]: knob for knob in check(plan(*small)[0])["knobs"]}
    offloaded, block = ways["recompute=offload"], ways["recompute=block"]
    assert offloaded["store-bytes"] > 0 and offloaded["bytes"] < block["bytes"], ways
    budget = "--budget", str(offloaded["bytes"])
    answer = check(plan(*small, *budget)[0])
    assert answer["asked"]["recompute"] != "offload" and not answer["asked"]["fits"], answer["asked"]
    answer = check(plan(*small, *budget, "--recompute", "offload")[0])
    assert answer["asked"]["bytes"] == offloaded["bytes"], answer["asked"]
    return ["RTX 3070: %s" % most]


def wrong(folder):
    """An invalid option is reported with its valid values; the exit status distinguishes usage errors from
    failures"""
    for options, status, words in (
            (["--size=0"], 2, "--size=0: data.img_size must be a whole number from 8 to 4096"),
            (["--size=112x"], 2, "--size=112x: give pixels, as 112 or, height first, 128x171"),
            (["--batch-size=0"], 2, "--batch-size=0: data.batch_size must be a whole number from 1 to 4096"),
            (["--precision=8"], 2, "--precision=8: trainer.precision must be one of 32"),
            (["--recompute=all"], 2, "block"),
            (["--convolution=fft"], 2, "winograd"),
            (["--budget=lots"], 2, "--budget=lots: train.max_memory must be a number of bytes"),
            (["--gpu=rtx0000"], 1, "no GPU is called 'rtx0000': there are "),
            (["--gpu=/no/such.json"], 1, "there is no file /no/such.json"),
            (["--device=tpu"], 2, "--device=tpu: use auto, cpu, cuda or cuda:N; --gpu plans for"),
            (["--model=r3d_19"], 2, "r3d_18"),
            (["--num-classes=1"], 2, "--num-classes=1: training needs at least 2 classes"),
            (["--num-classes=0"], 2, "--num-classes=0: training needs"),
            (["--views=33"], 2, "--views=33: a sample has from 1 to 32 views"),
            (["--views=0"], 2, "--views=0: a sample"),
            (["--view-fusion=sum"], 2, "logits, probabilities, features, concat"),
            (["--nonsense"], 2, "Unknown option --nonsense"),
            (["more"], 2, "'more' is not an option; cnn3d plan --help"),
            (["--config=/no/such.yaml"], 1, "/no/such.yaml"),
            (["--freeze=nothing."], 1, "freeze"),
            (["--load-rgb=false"], 1, "so the network would see nothing"),
            (["--load-rgb=false", "--load-kpt=true"], 1, "r3d_18 reads frames: with input-type=kpt use model=posec3d_slowonly"),
            (["--gradient-clip-val=nan"], 2, "=nan: trainer.gradient_clip_val must be a number from 0"),
            (["--gradient-clip-val=-1"], 2, "clip")):
        done = tool(*options)
        err = launch.text(done.stderr)
        assert done.returncode == status and words in err and not done.stdout, (options, done.returncode, err)
    with open("/dev/full", "w") as full:
        done = subprocess.run([os.path.join(os.environ["CNN3D_BUILD"], "tool", "cnn3d"), "plan", "--device", "cpu"],
                              env=launch.environment(), stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1 and b"cannot write to standard output: " in done.stderr, done


launch.main(ranks, cards, budgets, without_cudnn, configured, devices, all_cards, tf32, keypoints, views, offload, wrong)
