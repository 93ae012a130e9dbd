# bash completion for cnn3d: everything comes from the program's own --help
# SPDX-License-Identifier: LGPL-2.1-or-later

# _cnn3d_words PROGRAM COMMAND: its options, a "=" behind those that take a value
_cnn3d_words () {
  LC_ALL=C.UTF-8 LANGUAGE='' "$1" "$2" --help 2>/dev/null | sed -nE \
    -e '/^[Uu]sage:/!s/^ +(-[a-z], )?(--[a-z0-9_-]+)(=)?.*/\2\3/p' \
    -e 's/^  ([a-z_]+\.[a-z0-9_]+): .*/--\1=/p' \
    -e '/^usage:/{s/[][]//g;s/ FILE/=/;s/ /\n/g;p}' | grep -E '^--[a-z0-9_.-]+=?$'
}

# _cnn3d_values PROGRAM COMMAND OPTION: those that the help lists
_cnn3d_values () {
  LC_ALL=C.UTF-8 LANGUAGE='' "$1" "$2" --help 2>/dev/null \
    | sed -nE "s/^ +(--)?${3#--}(=[A-Z]+ +|: )//p" \
    | sed -E 's/.* \((.*); default.*\)$/\1/; s/^[^:]*: //; s/ \(default.*//; s/^one of //; s/ or /, /; s/,,/,/' \
    | grep -E '^[a-z0-9_.-]+(, [a-z0-9_.-]+)+$' | tr -d ,
}

_cnn3d () {
  local program=$1 command=${COMP_WORDS[1]:-} word option='' values
  # "=" is a word of its own
  word=${COMP_WORDS[COMP_CWORD]}
  if [ "$COMP_CWORD" -gt 2 ] && [ "$word" = = ]; then
    option=${COMP_WORDS[COMP_CWORD-1]}
    word=''
  elif [ "$COMP_CWORD" -gt 3 ] && [ "${COMP_WORDS[COMP_CWORD-1]}" = = ]; then
    option=${COMP_WORDS[COMP_CWORD-2]}
  elif [[ $COMP_CWORD -gt 2 && ${COMP_WORDS[COMP_CWORD-1]} == --*
      && $word != -* ]]; then
    option=${COMP_WORDS[COMP_CWORD-1]}
  fi

  COMPREPLY=()
  if [ "$COMP_CWORD" = 1 ]; then
    values="--help --version $("$program" --help 2>/dev/null \
      | sed -nE 's/^  ([a-z]+) .*/\1/p' | grep -vx cnn3d)"
    mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
  elif [ -n "$option" ]; then
    values=$(_cnn3d_values "$program" "$command" "$option")
    [ -z "$values" ] || mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
  elif [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W \
      "$(_cnn3d_words "$program" "$command")" -- "$word")
    [[ ${#COMPREPLY[@]} != 1 || $COMPREPLY != *= ]] || compopt -o nospace 2>/dev/null
  fi
}

# files where nothing of ours fits
complete -o default -F _cnn3d cnn3d
