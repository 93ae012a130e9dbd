#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `meson install` installs works in place, with no setup but the README's."""
import atexit
import functools
import glob
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile

import launch

VARIABLES = ("PATH", "GST_PLUGIN_PATH", "GST_PRESET_PATH")
# The README's lines build an installation of their own, without the slow options
QUICKER = ("--buildtype=release", "--buildtype=plain -Dtests=disabled -Dcuda-path=/nonexistent -Dgst-cuda=disabled")
CONFIG = """paths:
  train: clips
  checkpoint_dir: run
  log_dir: run
model:
  preset: quick-cpu
  base_width: 8
data:
  num_frames: 8
  img_size: 32
train:
  max_epochs: 2
"""


def bare(home, **more):
    """The environment of a fresh login, plus ccache's settings."""
    kept = {name: value for name, value in os.environ.items()
            if name.startswith(("CCACHE_", "OMP_"))}
    if "HOME" in os.environ:
        kept.setdefault("CCACHE_DIR", os.path.join(os.environ["HOME"], ".cache", "ccache"))
    return dict(kept, HOME=home, PATH="/usr/local/bin:/usr/bin:/bin", LC_ALL="C.UTF-8", **more)


def run(command, folder, env, status=0):
    """The command's stdout; a string is a shell line."""
    done = subprocess.run(command, shell=isinstance(command, str), executable="/bin/bash"
                          if isinstance(command, str) else None, cwd=folder, env=env,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=launch.limit(600), check=False)
    assert done.returncode == status, "%s: exit status %d\n%s\n%s" % (
        command, done.returncode, launch.tail(launch.text(done.stdout)), launch.tail(launch.text(done.stderr)))
    return launch.text(done.stdout)


def introspect(what):
    return json.loads(run(["meson", "introspect", "--" + what, launch.BUILD], None, dict(os.environ)))


def option(name):
    return next(o["value"] for o in introspect("buildoptions") if o["name"] == name)


@functools.cache
def installed():
    """Installs the build folder with DESTDIR, once; the folder."""
    root = tempfile.mkdtemp(prefix="cnn3d-")
    atexit.register(shutil.rmtree, root)
    run(["meson", "install", "-C", launch.BUILD, "--no-rebuild", "--quiet", "--destdir", root], None,
        dict(os.environ))
    return root


def staged(folder):
    """The prefix of an installation with DESTDIR, and the environment that the README's last line sets."""
    prefix = installed() + option("prefix")
    env = bare(folder)
    line = readme_lines()[2].replace("$HOME/.local/lib", os.path.join(prefix, option("libdir"))).replace(
        "$HOME/.local", prefix)
    out = run(line + " && env", folder, env)
    for name in VARIABLES:
        env[name] = re.search("^%s=(.*)$" % name, out, re.MULTILINE).group(1)
    return prefix, env


def readme_lines():
    with open(os.path.join(launch.TOP, "README.md"), encoding="utf-8") as file:
        section = re.search(r"^## Install\n(.*?)^## ", file.read(), re.MULTILINE | re.DOTALL).group(1)
    lines = re.findall("^ {4}(.*)$", section, re.MULTILINE)
    assert len(lines) == 3, lines
    return lines


def use(folder, env, every=True):
    """Runs every command, or the one that trains, and an evaluation and a training by gst-launch-1.0."""
    launch.two_classes(os.path.join(folder, "clips"), 2)
    with open(os.path.join(folder, "config.yaml"), "w", encoding="utf-8") as file:
        file.write(CONFIG)
    assert run("cnn3d --version", folder, env).startswith("cnn3d ")
    commands = re.findall(r"^  ([a-z]+) +\S", run("cnn3d --help", folder, env), re.MULTILINE)
    assert commands
    for command in commands if every else ():
        assert run("cnn3d %s --help" % command, folder, env)
    # the tool finds the elements and presets by itself
    alone = dict(env)
    for name in VARIABLES[1:]:
        alone.pop(name)
    lines = {
        "dataset": "cnn3d dataset clips",
        "plan": "cnn3d plan --base-width=8 --size=32 && cnn3d plan --gpu=rtx3070 --json",
        "pipeline": "cnn3d pipeline --config config.yaml",
        "train": "cnn3d train --config config.yaml",
        "export": "cnn3d export --output best.onnx run/best.safetensors",
        "report": "cnn3d report run",
    }
    assert set(commands) <= set(lines), "no line tries %s" % sorted(set(commands) - set(lines))
    for command in lines if every else ("train",):
        assert run(lines[command], folder, alone), lines[command]
    for name in ("run/best.safetensors", "best.onnx", "run/report.html") if every else ("run/best.safetensors",):
        assert os.path.getsize(os.path.join(folder, name)), name
    clips = "clipsrc location=clips epochs=2 %s ! clipbatch batch-size=2 ! " % launch.CLIP_BIN
    run("gst-launch-1.0 %s cnn3deval model=run/best.safetensors" % clips, folder, env)
    run("gst-launch-1.0 %s cnn3dtrain @preset=quick-cpu base-width=8 checkpoint-dir=b" % clips, folder, env)
    assert os.path.exists(os.path.join(folder, "b", "best.safetensors"))


def destdir(folder):
    """An installation with DESTDIR is complete, finds its libraries there, and works"""
    prefix, env = staged(folder)
    lib = os.path.join(prefix, option("libdir"))
    for path in ("bin/cnn3d", "libexec/cnn3d/make-demo-videos", "libexec/cnn3d/make-keypoint-videos",
                 "libexec/cnn3d/make-view-videos", "share/man/man1/cnn3d.1",
                 "share/bash-completion/completions/cnn3d", "share/gstreamer-1.0/presets/GstCnn3dTrain.prs",
                 "share/cnn3d/configs/config.yaml", "share/cnn3d/gpus/rtx3070.json",
                 "include/gstreamer-1.0/gst/clip/gstclipmeta.h",
                 "include/gstreamer-1.0/gst/clip/gstclipkptmeta.h", "lib/libgstclipmeta-1.0.so",
                 "lib/pkgconfig/gstclipmeta-1.0.pc", "lib/cnn3d/libcnn3d.so", "lib/cnn3d/libcnn3d-cpu.so",
                 "lib/gstreamer-1.0/libgstclip.so", "lib/gstreamer-1.0/libgstcnn3d.so"):
        path = re.sub("^lib/", option("libdir") + "/", path)
        assert os.path.exists(os.path.join(prefix, path)), "%s is not installed" % path
    top = os.path.realpath(launch.TOP).encode()
    for path in glob.glob(os.path.join(prefix, "**"), recursive=True):
        if not os.path.isfile(path) or os.path.islink(path):
            continue
        data = launch.read(path)
        if data.startswith(b"\x7fELF"):
            assert "not found" not in run(["ldd", path], folder, bare(folder)), path
            dynamic = run(["readelf", "-d", path], folder, bare(folder))
            assert top.decode() not in dynamic, "%s looks for libraries in the build tree" % path
        else:
            assert top not in data, "%s names the build tree" % path
    # not the libraries of the build tree
    loaded = run(["ldd", os.path.join(lib, "gstreamer-1.0", "libgstcnn3d.so")], folder, bare(folder))
    for name in ("libcnn3d.so", "libgstclipmeta-1.0.so.0"):
        found = re.search(r"%s => (\S+)" % re.escape(name), loaded)
        assert found and os.path.realpath(found.group(1)).startswith(os.path.realpath(prefix)), loaded
    # nor its data
    assert os.path.realpath(run("command -v cnn3d", folder, env).strip()).startswith(os.path.realpath(prefix))
    use(folder, env)


def prefix(folder):
    """The README's three lines build, install, and make it usable in the same shell"""
    setup, install, export = readme_lines()
    build = os.path.join(folder, "build")
    env = bare(folder)
    assert QUICKER[0] in setup
    for line in (setup.replace(*QUICKER), install):
        run(line.replace("build-install", shlex.quote(build)), launch.TOP, env)
    shutil.rmtree(build)
    out = run(export + " && env", folder, env)
    for name in VARIABLES:
        env[name] = re.search("^%s=(.*)$" % name, out, re.MULTILINE).group(1)
    # destdir() has tried the others
    use(folder, env, every=False)


def quickstart(folder):
    """The quickstart's line trains with the installed files, on the set made there"""
    prefix_, env = staged(folder)
    run([os.path.join(prefix_, "libexec/cnn3d/make-demo-videos"), "demo", "--train=8", "--test=2"], folder, env)
    with open(os.path.join(launch.TOP, "pipelines", "quickstart.sh"), encoding="utf-8") as file:
        text = file.read()
    line = re.search(r"^line='(.*)'$", text, re.MULTILINE).group(1).replace("runs/quickstart", "run")
    assert "epochs=" in line
    run(re.sub(r" epochs=\d+", " epochs=2", line), folder, env)
    assert os.path.exists(os.path.join(folder, "run", "best.safetensors"))


def options_of(env, folder, command):
    """--option of each option in the command's help, including keys of configurations."""
    text = run("cnn3d %s --help" % command, folder, env)
    found = set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", text, re.MULTILINE))
    return found | {"--" + key for key in re.findall(r"^  (\w+\.\w+): ", text, re.MULTILINE)}


def manual(folder):
    """The manual page has every command, option and key of --help"""
    prefix_, env = staged(folder)
    with open(os.path.join(prefix_, "share/man/man1/cnn3d.1"), encoding="utf-8") as file:
        text = re.sub(r"\\f[BIR]", "", file.read()).replace(r"\-", "-")
    for command in re.findall(r"^  ([a-z]+) +\S", run("cnn3d --help", folder, env), re.MULTILINE):
        part = text.split("\n.SS cnn3d %s\n" % command)[1].split("\n.S")[0]
        words = options_of(env, folder, command)
        assert words
        for word in words:
            assert re.search(r"^(-\w, )?(--)?%s[=: \n]" % re.escape(word[2:]), part, re.MULTILINE), \
                "%s: %s is missing" % (command, word)
    if shutil.which("man"):
        done = subprocess.run(["man", "--warnings", "-l", os.path.join(prefix_, "share/man/man1/cnn3d.1")],
                              env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=True)
        assert not done.stderr, launch.text(done.stderr)


def completion(folder):
    """bash completes commands, options, keys and the values listed by --help"""
    prefix_, env = staged(folder)

    def complete(*words):
        script = """. %s
COMP_WORDS=(cnn3d "$@"); COMP_CWORD=$#; _cnn3d cnn3d; printf '%%s\\n' "${COMPREPLY[@]}" """ % shlex.quote(
            os.path.join(prefix_, "share/bash-completion/completions/cnn3d"))
        return set(run(["bash", "-c", script, "complete", *words], folder, env).split())

    commands = set(re.findall(r"^  ([a-z]+) +\S", run("cnn3d --help", folder, env), re.MULTILINE))
    assert complete("") == commands | {"--help", "--version"}, complete("")
    for command in commands:
        found = {word.rstrip("=") for word in complete(command, "--")}
        wanted = options_of(env, folder, command)
        assert wanted <= found | {"--help"}, "%s: %s" % (command, sorted(wanted - found))
        assert found <= wanted | {"--config", "--test"}, "%s: %s" % (command, sorted(found - wanted))
    assert complete("plan", "--prec") == {"--precision="}
    assert complete("plan", "--precision", "=") == {"32", "16-mixed", "16", "bf16-mixed"}
    assert complete("plan", "--precision", "=", "b") == {"bf16-mixed"}
    assert complete("train", "--data.shuffle", "=") == {"true", "false"}
    assert complete("export", "--format", "") == {"onnx", "safetensors"}
    assert not complete("plan", "--config", "=", "")


PROGRAM = """#include <gst/clip/gstclipkptmeta.h>
#include <gst/clip/gstclipmeta.h>
int main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  return gst_clip_meta_api_get_type () == 0;
}
"""


def development(folder):
    """A program compiles against gstclipmeta-1.0 with pkg-config, and runs"""
    prefix_, env = staged(folder)
    lib = os.path.join(prefix_, option("libdir"))
    env["PKG_CONFIG_PATH"] = os.path.join(lib, "pkgconfig")
    with open(os.path.join(folder, "try.c"), "w", encoding="utf-8") as file:
        file.write(PROGRAM)
    flags = run("pkg-config --cflags --libs gstclipmeta-1.0", folder, env)
    # with the staged prefix in the flags
    run("cc try.c -o try " + flags.replace(option("prefix") + "/", prefix_ + "/"), folder, env)
    run(["./try"], folder, dict(env, LD_LIBRARY_PATH=lib))
    assert run("pkg-config --modversion gstclipmeta-1.0", folder, env).strip() == introspect("projectinfo")["version"]


def devenv(folder):
    """meson devenv makes a build tree usable without installation"""
    env = bare(folder)
    shell = ["meson", "devenv", "-C", launch.BUILD, "-w", folder]
    for element in ("clipsrc", "cnn3dtrain"):
        run([*shell, "gst-inspect-1.0", element], folder, env)
    assert run([*shell, "cnn3d", "--version"], folder, env).startswith("cnn3d ")
    launch.two_classes(os.path.join(folder, "clips"), 1)
    run([*shell, "bash", "-c", "gst-launch-1.0 clipsrc location=clips epochs=2 %s ! clipbatch batch-size=2 ! cnn3dtrain "
         "@preset=quick-cpu base-width=8" % launch.CLIP_BIN], folder, env)


def project(folder):
    """Versions, dependencies and scripts repeated in other files match meson.build and pipelines/packages.sh"""
    def text(*path):
        with open(os.path.join(launch.TOP, *path), encoding="utf-8") as file:
            return file.read()

    version = introspect("projectinfo")["version"]
    assert text("debian", "changelog").startswith("cnn3d (%s)" % version)
    packages = set(re.search(r'^build="(.*?)"', text("pipelines", "packages.sh"),
                             re.MULTILINE | re.DOTALL).group(1).split())
    depends = re.search(r"^Build-Depends: (.*?)^\S", text("debian", "control") + "\n", re.MULTILINE | re.DOTALL)
    names = {re.match(r"[\w.+-]+", part.strip()).group() for part in depends.group(1).split(",")}
    names -= {"debhelper-compat", "pkgconf"}
    assert names <= packages, "debian/control has %s, pipelines/packages.sh has not" % sorted(names - packages)
    libraries = {name for name in packages if name.endswith("-dev")}
    assert libraries <= names, "debian/control lacks %s" % sorted(libraries - names)
    assert "packages.sh build" in text("Dockerfile") and "tests/run.sh" in text(".github", "workflows", "tests.yml")
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in text("COPYING") and "Version 2.1" in text("COPYING")


if __name__ == "__main__":
    launch.main(destdir, prefix, quickstart, manual, completion, development, devenv, project)
