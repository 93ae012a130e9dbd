# SPDX-License-Identifier: LGPL-2.1-or-later
"""PyTorch's DistributedDataParallel over gloo, in two processes: the losses of some steps.

Runs itself as `ddp.py RANK FOLDER`: FOLDER/run.pt has the model and the clips, of which a step takes `batch` for each
process."""
import os
import subprocess
import sys
import tempfile

import torch

PROCESSES = 2


def losses(*run):
    """Of each step, the mean over both processes. run: model, x, y, batch, steps, lr"""
    with tempfile.TemporaryDirectory() as folder:
        torch.save(run, os.path.join(folder, "run.pt"))
        # whether or not this machine's name can be resolved
        env = dict(os.environ, GLOO_SOCKET_IFNAME="lo")
        ranks = [subprocess.Popen([sys.executable, os.path.abspath(__file__), str(rank), folder], env=env)
                 for rank in range(PROCESSES)]
        if any([rank.wait() for rank in ranks]):
            raise RuntimeError("a process of DistributedDataParallel failed")
        each = [torch.load(os.path.join(folder, "losses%d.pt" % rank)) for rank in range(PROCESSES)]
    return [sum(some) / PROCESSES for some in zip(*each)]


def run(rank, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method="file://" + os.path.join(folder, "meeting"), rank=rank,
                                         world_size=PROCESSES)
    # the file has a whole model; PyTorch before 1.13 does not know weights_only
    model, x, y, batch, steps, lr = torch.load(os.path.join(folder, "run.pt"), weights_only=False)
    model = torch.nn.parallel.DistributedDataParallel(model.train())
    rule = torch.optim.SGD(model.parameters(), lr, momentum=0.9)
    found = []
    for step in range(steps):
        first = (step * PROCESSES + rank) * batch % len(x)
        rule.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x[first:first + batch]), y[first:first + batch])
        loss.backward()
        rule.step()
        found.append(loss.item())
    torch.save(found, os.path.join(folder, "losses%d.pt" % rank))


if __name__ == "__main__":
    # the models' own classes are pickled by the names of these modules
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    run(int(sys.argv[1]), sys.argv[2])
