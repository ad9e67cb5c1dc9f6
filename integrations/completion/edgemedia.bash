# SPDX-License-Identifier: GPL-3.0-or-later
# bash completion, loaded by the name of the command
_edgemedia() {
    local cur prev words cword split options files
    _init_completion -s || return
    if [[ $cword == 1 ]]; then
        mapfile -t COMPREPLY < <(compgen -W 'decode scan probe sweep path respond status failures findings explain doctor config graph report --help --version' -- "$cur")
        return
    fi
    case ${words[1]} in
    decode)
        options='--json --help --version'
        files='--no-such-option'
        ;;
    scan)
        options='--json --failures --jobs= --since= --until= --report= --help --version'
        files='--report'
        ;;
    probe)
        options='--json --timeout= --user= --password-file= --secret-file= --ca-file= --insecure --issuer= --name-server= --relay-ports= --source-port= --help --version'
        files='--ca-file|--password-file|--secret-file'
        ;;
    sweep)
        options='--json --tcp --udp --rate= --timeout= --source-port= --payload= --sample= --key-file= --help --version'
        files='--key-file'
        ;;
    path)
        options='--json --transport= --rounds= --count= --good-port= --source-ports= --timeout= --no-hops --help --version'
        files='--no-such-option'
        ;;
    respond)
        options='--tcp --udp --key-file= --rate= --help --version'
        files='--key-file'
        ;;
    status)
        options='--json --socket= --watch --interval= --frames= --help --version'
        files='--socket'
        ;;
    failures)
        options='--all --call-id= --code= --csv --ice= --json --limit= --media= --peer= --since= --socket= --text= --until= --help --version'
        files='--socket'
        ;;
    findings)
        options='--history= --json --socket= --help --version'
        files='--socket'
        ;;
    explain)
        options='--json --socket= --help --version'
        files='--socket'
        ;;
    doctor)
        options='--agent= --community= --config= --json --mib-dir= --snmp-conf= --snmpd-conf= --socket= --timeout= --user= --help --version'
        files='--config|--snmp-conf|--snmpd-conf|--socket'
        ;;
    config)
        options='--address= --edge= --force --logs= --name-server= --no-probes --timeout= --help --version'
        files='--no-such-option'
        ;;
    graph)
        options='--range= --edge= --check= --format= --output= --socket= --help --version'
        files='--output|--socket'
        ;;
    report)
        options='--failures= --history= --output= --range= --socket= --help --version'
        files='--output|--socket'
        ;;
    *) return ;;
    esac
    if [[ "|$files|" == *"|$prev|"* ]]; then
        _filedir
        return
    fi
    $split && return
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
    else
        _filedir
    fi
}
complete -F _edgemedia edgemedia
