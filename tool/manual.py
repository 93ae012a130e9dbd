#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints the manual page of cnn3d, made from what the program's --help says.

usage: manual.py CNN3D"""
import os
import re
import subprocess
import sys

HEAD = r""".TH CNN3D 1 "" "cnn3d {version}" "User Commands"
.SH NAME
cnn3d \- plan, run and report the training of 3D CNNs with GStreamer
.SH SYNOPSIS
.B cnn3d
.I COMMAND
.RI [ OPTION ...]
.SH DESCRIPTION
The elements
.B clipsrc
to
.B cnn3dtrain
train a video network in one line of
.BR gst-launch-1.0 .
.B cnn3d
computes what such a line takes, makes it from a YAML file, runs it, and shows
what came of it.
.SH COMMANDS
"""
TAIL = r""".SH EXIT STATUS
0: success. 1: the command failed. 2: its command line is wrong.
.B cnn3d train
exits with the status of
.BR gst-launch-1.0 ,
or with 128 and the number of the signal that ended it.
.SH ENVIRONMENT
.TP
.BR GST_PLUGIN_PATH ", " GST_PRESET_PATH
What
.B cnn3d train
runs finds the elements and presets that were installed with it, too; those in
folders of these paths win over them.
.TP
.B CNN3D_BACKEND_PATH
Folders in which back ends are looked for first.
.TP
.B CNN3D_CONFIG_PATH
Folders with more descriptions of GPUs, in
.IR gpus/NAME.json .
.SH SEE ALSO
.BR gst\-launch\-1.0 (1),
.BR gst\-inspect\-1.0 (1)
"""


def escape(text):
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def help_of(program, *command):
    env = dict(os.environ, LC_ALL="C.UTF-8", LANGUAGE="")
    return subprocess.run([program, *command], env=env, check=True,
                          stdout=subprocess.PIPE).stdout.decode()


def commands(program):
    """(name, what it does) of each command."""
    return re.findall(r"^  ([a-z]+) +(\S.*)$", help_of(program, "--help"), re.MULTILINE)


def entry(name, text):
    argument = name.partition("=")
    name = r"\fB%s\fR" % escape(argument[0])
    if argument[1]:
        name += r"=\fI%s\fR" % escape(argument[2])
    return ".TP\n%s\n%s" % (name, escape(text))


def body(text):
    """A command's help as troff."""
    out = []
    text = text.replace("[OPTION\u2026]", "[OPTION...]")
    usage = re.compile(r"\A[Uu]sage:\s+(.*?)(?: - .*)?$", re.MULTILINE)
    out.append(".B %s" % escape(usage.match(text).group(1)))
    in_text = False
    for line in usage.sub("", text, count=1).splitlines():
        option = re.match(r" {2,}((?:-\w, )?--[\w-]+(?:=\S+)?) +(.*)", line)
        key = re.match(r" {2}(\w+\.\w+): (.*)", line)
        if option:
            out.append(entry(option.group(1), option.group(2)))
        elif key:
            out.append(".TP\n\\fB%s\\fR: %s" % (escape(key.group(1)), escape(key.group(2))))
        elif line.startswith(" " * 6):
            out.append(escape(line.strip()) + (".\n" if line[6:].startswith("sets ") else ";"))
        elif re.match(r"[A-Z].*:$", line):
            out.append(".PP\n%s" % escape(line))
        elif line.strip():
            out.append(("" if in_text else ".PP\n") + escape(line.strip()))
        in_text = bool(line.strip()) and not (option or key)
    return "\n".join(out) + "\n"


def main(program):
    version = help_of(program, "--version").split()[1]
    sys.stdout.write(HEAD.format(version=version))
    for name, what in commands(program):
        text = help_of(program, name, "--help")
        sys.stdout.write(".SS cnn3d %s\n%s.\n.PP\n" % (name, escape(what[0].upper() + what[1:])))
        sys.stdout.write(body(text))
    sys.stdout.write(TAIL)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__) if len(sys.argv) != 2 else print(__doc__)
    else:
        main(sys.argv[1])
