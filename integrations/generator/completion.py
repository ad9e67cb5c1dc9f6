# SPDX-License-Identifier: GPL-3.0-or-later
"""Completion for bash and zsh, from what --help of each program and command lists."""
from words import PLUGIN

FILES = ("FILE", "PATH", "DIR")


def flags(options):
    return " ".join(f"--{o.name}{'=' if o.meta else ''}" for o in options)


def of_files(options):
    return "|".join(sorted(f"--{o.name}" for o in options if o.meta in FILES)) or "--no-such-option"


def bash_function(name, options):
    return f"""_{name}() {{
    local cur prev words cword split
    _init_completion -s || return
    case $prev in
    {of_files(options)}) _filedir; return ;;
    esac
    $split && return
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '{flags(options)}' -- "$cur")
        [[ ${{COMPREPLY[0]-}} == *= ]] && compopt -o nospace
    else
        _filedir
    fi
}}
complete -F _{name} {name}
"""


def bash_command(commands):
    cases = "".join(f"""    {name})
        options='{flags(options)}'
        files='{of_files(options)}'
        ;;
""" for name, _, options in commands)
    return f"""_edgemedia() {{
    local cur prev words cword split options files
    _init_completion -s || return
    if [[ $cword == 1 ]]; then
        mapfile -t COMPREPLY < <(compgen -W '{' '.join(name for name, _, _ in commands)} --help --version' -- "$cur")
        return
    fi
    case ${{words[1]}} in
{cases}    *) return ;;
    esac
    if [[ "|$files|" == *"|$prev|"* ]]; then
        _filedir
        return
    fi
    $split && return
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        [[ ${{COMPREPLY[0]-}} == *= ]] && compopt -o nospace
    else
        _filedir
    fi
}}
complete -F _edgemedia edgemedia
"""


def zsh_text(text):
    return text.replace("\\", "\\\\").replace("'", "'\\''").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")


def zsh_options(options, indent):
    lines = []
    for o in options:
        action = f":{o.meta.lower().replace(':', ' ')}:{'_files' if o.meta in FILES else ''}" if o.meta else ""
        many = "'*'" if o.repeatable else ""
        lines.append(f"{indent}{many}'--{o.name}{'=' if o.meta else ''}[{zsh_text(o.help)}]{action}'")
    return " \\\n".join(lines + [f"{indent}'*:file:_files'"])


def zsh_command(commands):
    described = "\n".join(f"        '{name}:{zsh_text(summary)}'" for name, summary, _ in commands)
    cases = "".join(f"""    {name})
        _arguments \\
{zsh_options(options, '            ')}
        ;;
""" for name, _, options in commands)
    return f"""#compdef edgemedia
# SPDX-License-Identifier: GPL-3.0-or-later
_edgemedia() {{
    local -a commands
    commands=(
{described}
    )
    if (( CURRENT == 2 )); then
        _describe -t commands command commands
        return
    fi
    shift words
    (( CURRENT-- ))
    case $words[1] in
{cases}    esac
}}
_edgemedia "$@"
"""


def zsh_program(name, options):
    return f"""#compdef {name}
# SPDX-License-Identifier: GPL-3.0-or-later
_arguments \\
{zsh_options(options, '    ')}
"""


def files(words):
    commands = [(name, summary, words.options("edgemedia", name)) for name, summary in words.commands()]
    daemon, plugin = words.options("edgemediad"), words.options(f"plugins/{PLUGIN}")
    head = "# SPDX-License-Identifier: GPL-3.0-or-later\n# bash completion, loaded by the name of the command\n"
    return {
        "completion/edgemedia.bash": head + bash_command(commands),
        "completion/edgemediad.bash": head + bash_function("edgemediad", daemon),
        f"completion/{PLUGIN}.bash": head + bash_function(PLUGIN, plugin),
        "completion/_edgemedia": zsh_command(commands),
        "completion/_edgemediad": zsh_program("edgemediad", daemon),
        f"completion/_{PLUGIN}": zsh_program(PLUGIN, plugin),
    }
