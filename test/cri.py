#!/usr/bin/python3
# Asks a container engine what kubelets ask, in the Container Runtime Interface, runtime.v1, over the socket argv[1].
# In the directory argv[2] are the pipes "ask" and "said". A line that is asked is a call: METHOD, then PATH=VALUE of
# what its request has, separated by \37. PATH is the names of fields with dots between; the place in a list of messages
# is one, and all behind a map's name is the key. What comes back is in the file "reply" as lines PATH VALUE, where \\n
# is a new line, and a line is said: "ok", or what is wrong. The method "Stream" is no call, but what kubectl does with
# the url that Exec and Attach give: url=URL send=BYTES... each once "wait=TEXT" before it has come; the first byte is
# the channel, as 0 of stdin, and what comes is in "stream" and "outcome".
import base64
import os
import socket
import struct
import sys

import grpc

# field=number:type, * before it for many. i: a number, truth value or choice; none: text; map: of text to text
MESSAGES = '''
PodSandboxMetadata name=1 uid=2 namespace=3 attempt=4:i
DNSConfig servers=1:* searches=2:* options=3:*
PortMapping protocol=1:i container_port=2:i host_port=3:i
NamespaceOption network=1:i pid=2:i ipc=3:i target_id=4
Int64Value value=1:i
SecurityProfile profile_type=1:i localhost_ref=2
SandboxSecurity namespace_options=1:NamespaceOption run_as_user=3:Int64Value readonly_rootfs=4:i privileged=6:i run_as_group=8:Int64Value seccomp=9:SecurityProfile
LinuxSandbox cgroup_parent=1 security_context=2:SandboxSecurity sysctls=3:map
PodSandboxConfig metadata=1:PodSandboxMetadata hostname=2 log_directory=3 dns_config=4:DNSConfig port_mappings=5:*PortMapping labels=6:map annotations=7:map linux=8:LinuxSandbox
Image image=1
KeyValue key=1 value=2
Mount container_path=1 host_path=2 readonly=3:i propagation=5:i
Device container_path=1 host_path=2 permissions=3
Hugepages page_size=1 limit=2:i
Resources cpu_period=1:i cpu_quota=2:i cpu_shares=3:i memory_limit_in_bytes=4:i oom_score_adj=5:i cpuset_cpus=6 cpuset_mems=7 hugepage_limits=8:*Hugepages unified=9:map memory_swap_limit_in_bytes=10:i
Capability add_capabilities=1:* drop_capabilities=2:*
Security capabilities=1:Capability privileged=2:i namespace_options=3:NamespaceOption run_as_user=5:Int64Value run_as_username=6 readonly_rootfs=7:i supplemental_groups=8:*i no_new_privs=11:i run_as_group=12:Int64Value masked_paths=13:* readonly_paths=14:* seccomp=15:SecurityProfile
LinuxContainer resources=1:Resources security_context=2:Security
ContainerMetadata name=1 attempt=2:i
ContainerConfig metadata=1:ContainerMetadata image=2:Image command=3:* args=4:* working_dir=5 envs=6:*KeyValue mounts=7:*Mount devices=8:*Device labels=9:map annotations=10:map log_path=11 stdin=12:i stdin_once=13:i tty=14:i linux=15:LinuxContainer
VersionRequest version=1
VersionResponse version=1 runtime_name=2
Condition type=1 status=2:i reason=3 message=4
RuntimeStatus conditions=1:*Condition
StatusResponse status=1:RuntimeStatus
RunPodSandboxRequest config=1:PodSandboxConfig runtime_handler=2
RunPodSandboxResponse pod_sandbox_id=1
StopPodSandboxRequest pod_sandbox_id=1
RemovePodSandboxRequest pod_sandbox_id=1
PodSandboxStatusRequest pod_sandbox_id=1 verbose=2:i
PodNetwork ip=1
PodSandboxStatus id=1 metadata=2:PodSandboxMetadata state=3:i network=5:PodNetwork labels=7:map annotations=8:map
PodSandboxStatusResponse status=1:PodSandboxStatus info=2:map
State state=1:i
PodSandboxFilter id=1 state=2:State label_selector=3:map
PodSandbox id=1 metadata=2:PodSandboxMetadata state=3:i
ListPodSandboxRequest filter=1:PodSandboxFilter
ListPodSandboxResponse items=1:*PodSandbox
CreateContainerRequest pod_sandbox_id=1 config=2:ContainerConfig sandbox_config=3:PodSandboxConfig
CreateContainerResponse container_id=1
StartContainerRequest container_id=1
StopContainerRequest container_id=1 timeout=2:i
RemoveContainerRequest container_id=1
ReopenContainerLogRequest container_id=1
ContainerFilter id=1 state=2:State pod_sandbox_id=3 label_selector=4:map
Container id=1 metadata=3:ContainerMetadata state=6:i labels=8:map
ListContainersRequest filter=1:ContainerFilter
ListContainersResponse containers=1:*Container
ContainerStatusRequest container_id=1 verbose=2:i
ContainerStatus id=1 metadata=2:ContainerMetadata state=3:i started_at=5:i finished_at=6:i exit_code=7:i reason=10 message=11 labels=12:map mounts=14:*Mount log_path=15
ContainerStatusResponse status=1:ContainerStatus info=2:map
UpdateContainerResourcesRequest container_id=1 linux=2:Resources
ExecSyncRequest container_id=1 cmd=2:* timeout=3:i
ExecSyncResponse stdout=1 stderr=2 exit_code=3:i
ExecRequest container_id=1 cmd=2:* tty=3:i stdin=4:i stdout=5:i stderr=6:i
ExecResponse url=1
AttachRequest container_id=1 stdin=2:i tty=3:i stdout=4:i stderr=5:i
AttachResponse url=1
PortForwardRequest pod_sandbox_id=1 port=2:*i
PortForwardResponse url=1
Cpu timestamp=1:i usage_core_nano_seconds=2:Int64Value
Memory timestamp=1:i working_set_bytes=2:Int64Value
Stats cpu=2:Cpu memory=3:Memory
ContainerStatsRequest container_id=1
ContainerStatsResponse stats=1:Stats
StatsFilter id=1 pod_sandbox_id=2
ListContainerStatsRequest filter=1:StatsFilter
ListContainerStatsResponse stats=1:*Stats
ImageSpec image=1:Image
ImageStatusRequest image=1:Image
ImageInfo id=1 repo_tags=2:*
ImageStatusResponse image=1:ImageInfo
RemoveImageRequest image=1:Image
'''
SCHEMA = {'map': {'key': (1, '', ''), 'value': (2, '', '')}}
for line in MESSAGES.strip().splitlines():
    name, *fields = line.split()
    SCHEMA[name] = {}
    for field in fields:
        key, rest = field.split('=')
        number, _, kind = rest.partition(':')
        many = '*' if kind.startswith('*') or kind == 'map' else ''
        SCHEMA[name][key] = int(number), kind.lstrip('*'), many


def put(message, kind, path, value):
    """into a message, which is a dict, what has this path"""
    name, _, rest = path.partition('.')
    _, inner, many = SCHEMA[kind][name]
    if inner == 'map':
        message.setdefault(name, []).append({'key': rest, 'value': value})
    elif inner in SCHEMA and many:
        place, _, rest = rest.partition('.')
        list_ = message.setdefault(name, [])
        if int(place) == len(list_):
            list_.append({})
        put(list_[int(place)], inner, rest, value)
    elif inner in SCHEMA:
        put(message.setdefault(name, {}), inner, rest, value)
    else:
        if inner == 'i':
            value = {'true': 1, 'false': 0}.get(value) if value in ('true', 'false') else int(value)
        message[name] = message.get(name, []) + [value] if many else value


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode(message, kind):
    out = b''
    for name, value in message.items():
        number, inner, many = SCHEMA[kind][name]
        for one in value if many else [value]:
            if inner == 'i':
                out += varint(number << 3) + varint(one)
            else:
                data = encode(one, inner) if inner in SCHEMA else one.encode()
                out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def take(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


def decode(data, kind, path, out):
    fields = {number: (name, inner, many) for name, (number, inner, many) in SCHEMA.get(kind, {}).items()}
    seen = {}
    at = 0
    while at < len(data):
        tag, at = take(data, at)
        if tag & 7 == 0:
            value, at = take(data, at)
        elif tag & 7 == 2:
            length, at = take(data, at)
            value = data[at:at + length]
            at += length
        else:
            value = None
            at += 8 if tag & 7 == 1 else 4
        if tag >> 3 not in fields:
            continue
        name, inner, many = fields[tag >> 3]
        place = path + name + (f'.{seen.get(name, 0)}' if many and inner != 'map' else '')
        seen[name] = seen.get(name, 0) + 1
        if inner == 'map':
            pair = []
            decode(value, 'map', '', pair)
            pair = dict(pair)
            out.append((f'{path}{name}.{pair["key"]}', pair['value']))
        elif inner in SCHEMA:
            decode(value, inner, place + '.', out)
        elif inner == 'i':
            out.append((place, value - (1 << 64) if value >> 63 else value))
        else:
            out.append((place, value.decode('utf-8', 'replace')))
    for name, (_, inner, many) in SCHEMA.get(kind, {}).items():
        if name not in seen and not many and inner not in SCHEMA:
            out.append((path + name, 0 if inner == 'i' else ''))


def stream(words, out):
    """a web socket, RFC 6455, with Kubernetes' channels in it"""
    host, _, path = words[0].partition('=')[2].partition('//')[2].partition('/')
    address, _, port = host.partition(':')
    sock = socket.create_connection((address, int(port)), timeout=60)
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall((f'GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: http://{host}\r\n'
                  f'Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n').encode())
    data = sock.makefile('rb')
    status = data.readline().decode().strip()
    while data.readline().strip():
        pass
    got = {1: '', 2: '', 3: ''}
    todo = words[1:]
    while ' 101 ' in status:
        while todo and (todo[0].startswith('send=') or todo[0][5:] in got[1]):
            kind, _, value = todo.pop(0).partition('=')
            value = value.encode().decode('unicode_escape').encode()
            if kind == 'send':  # masked with zeros
                sock.sendall(struct.pack('!BBI', 0x82, 0x80 | len(value), 0) + value)
        head = data.read(2)
        if len(head) < 2 or head[0] & 15 == 8:
            break
        length = head[1] & 127
        if length > 125:
            length = int.from_bytes(data.read(2 if length == 126 else 8), 'big')
        frame = data.read(length)
        if head[0] & 15 < 3 and frame and frame[0] in got:
            got[frame[0]] += frame[1:].decode('utf-8', 'replace')
    sock.close()
    out.extend((('stream', got[1] + got[2]), ('outcome', got[3] or status)))


channel = grpc.insecure_channel('unix://' + sys.argv[1])
pods = {}  # their configurations, which a kubelet says once more for each container


def ask(method, words, out):
    kind = method + 'Request'
    request = {}
    for word in words:
        path, _, value = word.partition('=')
        if path.partition('.')[0] not in SCHEMA.get(kind, {}):
            path = 'config.' + path
        put(request, kind, path, value)
    if method == 'CreateContainer':
        request['sandbox_config'] = pods[request['pod_sandbox_id']]
    service = 'ImageService' if 'Image' in method else 'RuntimeService'
    reply = channel.unary_unary(f'/runtime.v1.{service}/{method}')(encode(request, kind), timeout=60)
    decode(reply, method + 'Response', '', out)
    if method == 'RunPodSandbox':
        pods[dict(out)['pod_sandbox_id']] = request['config']


asked = open(sys.argv[2] + '/ask')
said = open(sys.argv[2] + '/said', 'w')
for line in asked:
    method, *words = line.rstrip('\n').split('\37')
    lines = []
    try:
        if method == 'Stream':
            stream(words, lines)
        else:
            ask(method, words, lines)
        result = 'ok'
    except grpc.RpcError as error:
        result = f'{error.code().name} {error.details()}'
    except (OSError, KeyError) as error:
        result = repr(error)
    with open(sys.argv[2] + '/reply', 'w') as out:
        for name, value in lines:
            value = str(value).replace('\\', '\\\\').replace('\n', '\\n')
            out.write(f'{name} {value}\n')
    print(' '.join(result.split()), file=said, flush=True)
