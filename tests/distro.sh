#!/usr/bin/env bash
# Runs the README's two commands in a bare Debian or Ubuntu, and ends with the
# line "SYSTEM, USER: ..., N passed, N failed, N skipped" for each run.
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/distro.sh SYSTEM [OPTION...] [PART...]
#
# SYSTEM is bookworm, trixie or noble; PART is one of tests/run.sh's (all). Needs
# root and debootstrap. noble also needs the keys of Ubuntu's archive: the package
# ubuntu-keyring, or DISTRO_KEYS, a file with them.
#
#   --root, --user     only as root, or only as a plain user with sudo; by default
#                      both, each in a system of its own
#   --cuda             CUDA_PATH (/usr/local/cuda) of this machine is available in
#                      the system at /usr/local/cuda
#   --no-quickstart    only tests/run.sh
#   --packages         instead, build Debian's packages in one system, and install,
#                      try and purge them in another: see tests/packages.sh
#   --keep             keep the system; the next call with --keep continues in it,
#                      with its packages and its build folder
#
# The system is debootstrap's smallest, in a folder, entered by chroot(8) in
# namespaces of its own: when the script ends, so does everything that it started,
# and everything is unmounted. It tests a clone of HEAD. This machine's access to
# package archives is copied: apt's archive, proxies and certificates, pip's
# settings, hosts and resolvers.
#
# DISTRO_FOLDER (cnn3d-distro in TMPDIR or /var/tmp) keeps SYSTEM.tar, from which
# systems are unpacked, the downloaded packages, and SYSTEM-USER.log beside
# SYSTEM-USER-results, the test results. Remove it to start over.
set -euo pipefail
case " $* " in
  *" --help "* | *" -h "*) sed -n '/SPDX/d;2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;;
esac

user_name=tester
host_apt=etc/apt/apt.conf.d/90host
host_certificates=etc/host-certificates.crt

die () {
  echo "distro.sh: $*" >&2
  exit 2
}

# Within the namespaces: distro.sh --inside ROOT CUDA ARCHIVES USER COMMAND...
if [ "${1:-}" = --inside ]; then
  root=$2 cuda=$3 archives=$4 user=$5
  shift 5
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
  mount -t tmpfs -o mode=755 run "$root/run"
  mkdir -p "$root/var/cache/apt/archives"
  mount --bind "$archives" "$root/var/cache/apt/archives"
  if [ -n "$cuda" ]; then
    mkdir -p "$root/usr/local/cuda"
    mount --bind "$cuda" "$root/usr/local/cuda"
    mount -o remount,ro,bind "$root/usr/local/cuda"
  fi
  home=/root
  [ "$user" = root ] || home=/home/$user
  kept=()
  while IFS= read -r -d '' variable; do
    case ${variable%%=*} in
      PIP_CERT | PIP_FIND_LINKS) ;;
      PIP_* | http_proxy | https_proxy | no_proxy | HTTP_PROXY | HTTPS_PROXY \
        | NO_PROXY) kept+=("$variable") ;;
    esac
  done < <(env -0)
  [ ! -e "$root/$host_certificates" ] \
    || kept+=("PIP_CERT=/$host_certificates")
  exec chroot --userspec="$user" "$root" env -i HOME="$home" USER="$user" \
    LOGNAME="$user" LANG=C.UTF-8 TERM=dumb \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    "${kept[@]}" sh -c 'cd ~/"$0" && exec "$@"' \
    "$(test -d "$root$home/cnn3d" && echo cnn3d)" "$@"
fi

system=${1:-}
case $system in
  bookworm | trixie) distributor=Debian components=main ;;
  noble) distributor=Ubuntu components=main,universe ;;
  *) die "say which system: bookworm, trixie or noble" ;;
esac
shift

users="root $user_name" cuda='' quickstart=yes keep='' packages='' parts=()
for argument in "$@"; do
  case $argument in
    --root) users=root ;;
    --user) users=$user_name ;;
    --cuda) cuda=$(realpath -e "${CUDA_PATH:-/usr/local/cuda}") \
      || die "no CUDA toolkit is in ${CUDA_PATH:-/usr/local/cuda}: set CUDA_PATH" ;;
    --no-quickstart) quickstart='' ;;
    --keep) keep=yes ;;
    --packages) packages=yes ;;
    -*) die "there is no option $argument: see the head of $0" ;;
    *) parts+=("$argument") ;;
  esac
done

[ "$(id -u)" = 0 ] || die "making a system takes root"
for program in debootstrap unshare setpriv git; do
  command -v $program >/dev/null || die "$program is missing: apt-get install $program"
done
checkout=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
this=$(realpath "${BASH_SOURCE[0]}")
folder=$(realpath -m "${DISTRO_FOLDER:-${TMPDIR:-/var/tmp}/cnn3d-distro}")
archives=$folder/$system-archives
mkdir -p "$archives/partial"
[ -z "$(git -C "$checkout" status --porcelain)" ] \
  || echo "distro.sh: HEAD is tested, without what is not committed"

# inside ROOT USER COMMAND...
inside () {
  local root=$1 user=$2
  shift 2
  setpriv --pdeathsig KILL \
    unshare --mount --pid --fork --kill-child "$this" --inside "$root" "$cuda" \
    "$archives" "$user" "$@"
}

# The archive from which this machine's apt gets DISTRIBUTOR's packages, if any
host_archive () {
  apt-get indextargets --format '$(REPO_URI)' "Origin: $distributor" \
    "Label: $distributor" 2>/dev/null | head -n 1
}

make_pristine () {
  local root=$folder/$system.new keys script='' archive file
  archive=$(host_archive) || archive=
  keys=${DISTRO_KEYS:-/usr/share/keyrings/${distributor,,}-archive-keyring.gpg}
  [ -e "$keys" ] || die "$keys is missing, which $distributor's archive is" \
    "checked with: install the package ubuntu-keyring or debian-archive-keyring," \
    "or set DISTRO_KEYS to such a file"
  # An older debootstrap does not know newer systems, but has the same script
  if [ ! -e "/usr/share/debootstrap/scripts/$system" ]; then
    [ $distributor = Ubuntu ] && script=gutsy || script=sid
  fi

  echo "Making $system in $folder"
  rm -rf "$root"
  debootstrap --variant=minbase --components=$components --include=sudo \
    --keyring="$keys" --cache-dir="$archives" "$system" "$root" \
    "$archive" "$script" >"$folder/$system.log" 2>&1 || {
    tail -n 5 "$folder/$system.log" >&2
    die "cannot make $system: its archive cannot be reached, or what" \
      "$folder/$system.log says"
  }
  rm -f "$root"/var/cache/apt/archives/*.deb
  echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"

  apt-config dump 2>/dev/null \
    | grep -E '^Acquire::(http|https|ftp|Retries|Check-)' >"$root/$host_apt" || true
  if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/$host_certificates"
    echo "Acquire::https::CAInfo \"/$host_certificates\";" >>"$root/$host_apt"
  fi
  for file in etc/resolv.conf etc/hosts; do
    rm -f "$root/$file"
    cp -L "/$file" "$root/$file"
  done
  [ ! -e /etc/pip.conf ] || cp -L /etc/pip.conf "$root/etc/pip.conf"
  printf 'Defaults env_keep += "%s"\n%s ALL=(ALL:ALL) NOPASSWD: ALL\n' \
    "http_proxy https_proxy no_proxy" $user_name >"$root/etc/sudoers.d/$user_name"
  chroot "$root" useradd --create-home --shell /bin/bash $user_name

  tar -C "$root" -cf "$folder/$system.tar.new" .
  mv "$folder/$system.tar.new" "$folder/$system.tar"
  rm -rf "$root"
}

# run_as USER: prints the result, and fails if something did
run_as () {
  local user=$1 name=$system-$1${cuda:+-cuda} root home log commands='' status=0
  root=$folder/$name
  log=$folder/$name.log
  home=$root/root
  [ "$user" = root ] || home=$root/home/$user

  if [ -z "$keep" ] || [ ! -e "$root.kept" ]; then
    rm -rf "$root" "$root.kept"
    mkdir -p "$root"
    tar -C "$root" -xf "$folder/$system.tar"
  fi
  if [ -e "$home/cnn3d" ]; then
    # HEAD may have been rewritten since
    git -C "$home/cnn3d" -c 'safe.directory=*' fetch --quiet "$checkout" HEAD \
      && git -C "$home/cnn3d" -c 'safe.directory=*' reset --quiet --hard \
        FETCH_HEAD || die "cannot update $home/cnn3d"
  else
    git clone --quiet --no-hardlinks "$checkout" "$home/cnn3d"
  fi
  [ "$user" = root ] || chroot "$root" chown -R "$user:$user" "/home/$user"
  [ -z "$keep" ] || touch "$root.kept"

  [ -z "$quickstart" ] || commands="pipelines/quickstart.sh && "
  commands+="tests/run.sh ${parts[*]}"
  echo "In $name: $commands; see $log"
  # apt of a bare system has no package lists
  inside "$root" root apt-get update >"$log" 2>&1 || status=$?
  if [ $status = 0 ]; then
    inside "$root" "$user" bash -c "$commands" >>"$log" 2>&1 </dev/null || status=$?
  fi
  rm -rf "$folder/$name-results"
  [ ! -d "$home/cnn3d/build/test-results" ] \
    || cp -r "$home/cnn3d/build/test-results" "$folder/$name-results"
  [ -n "$keep" ] || rm -rf "$root"
  judge "$log" "$system${cuda:+ with CUDA}, $user" $status
}

# The built packages go to SYSTEM-packages in DISTRO_FOLDER.
run_packages () {
  local step root built=$folder/$system-packages log=$folder/$system-packages.log
  rm -rf "$built"
  echo "In $system: tests/packages.sh; see $log"
  : >"$log"
  for step in build try; do
    root=$folder/$system-packages-$step
    rm -rf "$root"
    mkdir -p "$root"
    tar -C "$root" -xf "$folder/$system.tar"
    git clone --quiet --no-hardlinks "$checkout" "$root/root/cnn3d"
    [ $step = build ] || cp -r "$built" "$root/var/tmp/packages"
    inside "$root" root sh -c "apt-get update && tests/packages.sh $step \
      /var/tmp/packages" >>"$log" 2>&1 </dev/null || {
      echo "$system, packages: $step failed; see $log"
      return 1
    }
    [ $step = try ] || cp -r "$root/var/tmp/packages" "$built"
    [ -n "$keep" ] || rm -rf "$root"
  done
  echo "$system, packages: built, accepted by lintian, tried and purged; they are" \
    "in $built"
}

# judge LOG NAME STATUS
judge () {
  local accuracy='' tests
  accuracy=$(sed -n 's/^Validation accuracy: \([0-9.]*\) %.*/\1/p' "$1")
  tests=$(tail -n 1 "$1" | grep -E '^[0-9]+ passed, [0-9]+ failed') \
    || tests='tests/run.sh failed'
  echo "$2: ${quickstart:+quickstart.sh ${accuracy:-failed}${accuracy:+ %}, }$tests"
  if [ "$3" != 0 ]; then
    echo "distro.sh: exit status $3; see $1" >&2
    return 1
  fi
  [ -z "$quickstart" ] || awk "BEGIN { exit !(0$accuracy >= 95) }" || {
    echo "distro.sh: quickstart.sh must reach 95 %; see $1" >&2
    return 1
  }
}

[ -e "$folder/$system.tar" ] || make_pristine
failed=0
[ -z "$packages" ] || { run_packages; exit; }
for user in $users; do
  run_as "$user" || failed=1
done
exit $failed
