# SPDX-License-Identifier: 0BSD
# A layout of the OCI with images of random layers, and what is in a tree, for who compares:
#	oci-random.py DIR SEED...	an image for each, called by it
#	oci-random.py DIR		names, modes, owners, contents, links and attributes
import gzip, hashlib, io, json, os, platform, random, stat, sys, tarfile

top, seeds = sys.argv[1], sys.argv[2:]


def tell(path, links):
    st = os.lstat(path)
    said = [os.path.relpath(path, top), oct(st.st_mode), st.st_uid, st.st_gid]
    if stat.S_ISREG(st.st_mode):
        said += [hashlib.sha256(open(path, 'rb').read()).hexdigest(), int(st.st_mtime)]
        links.setdefault(st.st_ino, []).append(said[0])
    elif stat.S_ISLNK(st.st_mode):
        said += [os.readlink(path), int(st.st_mtime)]
    elif not stat.S_ISDIR(st.st_mode):
        said.append(st.st_rdev)
    names = (n for n in sorted(os.listxattr(path, follow_symlinks=False)) if n.startswith(('user.k', 'trusted.k', 'security.cap')))
    print(*said, *((n, os.getxattr(path, n, follow_symlinks=False)) for n in names))


if not seeds:
    links = {}
    for d, below, files in sorted(os.walk(top)):
        tell(d, links)
        for name in sorted(files + [b for b in below if os.path.islink(os.path.join(d, b))]):
            tell(os.path.join(d, name), links)
    for names in sorted(map(sorted, links.values())):
        print(*names)
    sys.exit()


def blob(data, kind):
    digest = hashlib.sha256(data).hexdigest()
    with open(top + '/blobs/sha256/' + digest, 'wb') as f:
        f.write(data)
    return {'mediaType': 'application/vnd.oci.image.' + kind, 'digest': 'sha256:' + digest, 'size': len(data)}


def above(path):
    parts = path.split('/')
    return ['/'.join(parts[:i]) for i in range(1, len(parts))]


def layer(r, tree, first):
    """one more, of names that make sense on those before; tree: path to type, of all up to here"""
    buf, made, gone, before = io.BytesIO(), {}, set(), sorted(tree)
    t = tarfile.open(fileobj=buf, mode='w', format=r.choice([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
    ways = [tarfile.REGTYPE] * 6 + [tarfile.DIRTYPE] * 3 + [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
    ways += [] if first else ['whiteout'] * 3 + ['opaque']

    def hide(path, itself):
        for p in [p for p in tree if (p.startswith(path + '/') or (itself and p == path)) and p not in made]:
            del tree[p]

    for _ in range(r.randint(1, 12)):
        path, way, data = '/'.join(r.choice(['a', 'b', 'c', 'd', 'e f', '\u00e9']) for _ in range(r.randint(1, 3))), r.choice(ways), b''
        if before and (way in ('whiteout', 'opaque') or r.random() < .4):
            path = r.choice(before)
        if path in gone or any(tree.get(p, 'd') != 'd' for p in above(path)):
            continue
        if way == 'whiteout':
            t.addfile(tarfile.TarInfo('/'.join(above(path)[-1:] + ['.wh.' + path.split('/')[-1]])))
            gone.add(path)
            hide(path, True)
            continue
        if way == 'opaque':
            if tree.get(path) == 'd':
                t.addfile(tarfile.TarInfo(path + '/.wh..wh..opq'))
                hide(path, False)
            continue
        if path in made:
            continue
        e = tarfile.TarInfo(r.choice(['', './']) + path)
        e.type, e.uid, e.gid, e.mtime = way, r.choice([0, 1, 1000, 100000]), r.choice([0, 5]), r.randint(0, 2 ** 31 - 1)
        e.mode = r.choice([0o755, 0o1777, 0o700] + ([] if way == tarfile.DIRTYPE else [0o644, 0o4755, 0o2755, 0]))
        if way == tarfile.REGTYPE:
            data = str(r.random()).encode() * r.randint(0, 99)
            e.size = len(data)
        elif way == tarfile.SYMTYPE:
            e.linkname = r.choice(['a', 'b/c', '/a', '../b', 'nowhere', '.'])
        elif way == tarfile.LNKTYPE:
            files = [p for p in tree if tree[p] == 'f' and p != path and not p.startswith(path + '/')]
            if not files:
                continue
            e.linkname = r.choice(files)
        elif way == tarfile.CHRTYPE:
            e.devmajor, e.devminor = 1, r.choice([3, 5])
        if way != tarfile.DIRTYPE and any(p.startswith(path + '/') for p in made):
            continue
        if way in (tarfile.REGTYPE, tarfile.DIRTYPE) and t.format == tarfile.PAX_FORMAT:
            names = r.sample(['user.k1', 'user.k2', 'trusted.k'], r.choice([0, 0, 1, 2]))
            e.pax_headers = {'SCHILY.xattr.' + n: str(r.randint(0, 99)) for n in names}
        t.addfile(e, io.BytesIO(data))
        if way != tarfile.DIRTYPE or tree.get(path) != 'd':
            for p in [p for p in tree if p == path or p.startswith(path + '/')]:
                del tree[p]
        tree[path] = made[path] = 'f' if way in (tarfile.REGTYPE, tarfile.LNKTYPE) else 'd' if way == tarfile.DIRTYPE else 'o'
        for p in above(path):
            tree.setdefault(p, 'd')
            made.setdefault(p, 'd')
    t.close()
    return buf.getvalue()


os.makedirs(top + '/blobs/sha256')
arch = {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine())
images = []
for seed in seeds:
    r, tree = random.Random(int(seed)), {}
    plain = [layer(r, tree, i == 0) for i in range(r.randint(2, 5))]
    ids = ['sha256:' + hashlib.sha256(p).hexdigest() for p in plain]
    config = {'architecture': arch, 'os': 'linux', 'config': {}, 'rootfs': {'type': 'layers', 'diff_ids': ids}}
    layers = [blob(gzip.compress(p), 'layer.v1.tar+gzip') if r.random() < .5 else blob(p, 'layer.v1.tar') for p in plain]
    manifest = {'schemaVersion': 2, 'config': blob(json.dumps(config).encode(), 'config.v1+json'), 'layers': layers}
    image = blob(json.dumps(manifest).encode(), 'manifest.v1+json')
    image['annotations'] = {'org.opencontainers.image.ref.name': seed}
    images.append(image)
with open(top + '/index.json', 'w') as f:
    json.dump({'schemaVersion': 2, 'manifests': images}, f)
with open(top + '/oci-layout', 'w') as f:
    f.write('{"imageLayoutVersion":"1.0.0"}')
