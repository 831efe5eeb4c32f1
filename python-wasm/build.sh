#!/bin/bash
# Builds python.wasm (CPython + guest.c + the standard library, for WebAssembly) on Debian 12, from pinned sources.
#
#   build.sh           build, then put python.wasm.zst and its SHA-256 into this directory
#   build.sh --train   learn where programs spend their time, and put it into pgo/profile.zst
#   build.sh --update VERSION SHA256
#                      lock another release of CPython 3.13, then --train and build
#   build.sh --check   build from nothing in a fresh directory, and compare with the lock
#
# BUILD_DIR (default: target/python-wasm of the project) may be removed at any time. A step that has left its stamp
# there is not repeated; the last ones (freeze, link) always are.
# shellcheck disable=SC2016,SC2086,SC2329 # apt's own $(…), flags that are several words, steps called by name
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
project=$(dirname "$here")
lock=$here/python.wasm.lock
mode=${1:-}

# One fixed environment: the result depends on the inputs alone.
export LC_ALL=C TZ=UTC PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
llvm=/usr/lib/llvm-22
export PATH=$llvm/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset CFLAGS CPPFLAGS LDFLAGS PYTHONPATH PYTHONHOME MAKEFLAGS

# CFLAGS of everything that ends up in the module. LTO: the linker sees one program. Not all of it is in the profile.
features="-msimd128 -mbulk-memory -msign-ext -mnontrapping-fptoint -mmutable-globals -mmultivalue -mno-reference-types -mtail-call"
target_cc="clang-22 --target=wasm32-wasip1 --sysroot=../sysroot/usr"
target_cflags="-O2 -flto -fno-wrapv-pointer -fprofile-instr-use=../profile.profdata -mllvm -enable-value-profiling -Wno-profile-instr-unprofiled -Wno-profile-instr-out-of-date -fno-ident $features -ffile-prefix-map=../= -D_WASI_EMULATED_SIGNAL"

main() {
    case $mode in
    "" | --train) build=${BUILD_DIR:-$project/target/python-wasm} ;;
    --check)
        build=$(mktemp -d)
        trap 'rm -rf "$build"' EXIT
        ;;
    --update)
        lock_cpython "${2:-}" "${3:-}"
        "$here/build.sh" --train
        exec "$here/build.sh"
        ;;
    *)
        sed -n '2,11s/^# \{0,1\}//p' "$here/build.sh"
        exit 2
        ;;
    esac
    mkdir -p "$build" && cd "$build"
    forget_stale_steps

    step tools install_tools
    step sources fetch_sources
    step unpacked unpack_sources
    export SOURCE_DATE_EPOCH
    SOURCE_DATE_EPOCH=$(stat -c %Y cpython/README.rst) # the day of CPython's release: what sys.version shows
    if [ "$mode" = --train ]; then
        learn_profile
        exit
    fi
    step native build_native_python
    zstd -dqf "$here/pgo/profile.zst" -o profile.profdata
    step zlib build_zlib
    step bzip2 build_bzip2
    step sqlite build_sqlite
    step configured configure_cpython
    step objects compile_cpython
    step numpy-configured configure_numpy
    step numpy compile_numpy
    freeze_modules
    link_module
    if [ "$mode" = --check ]; then check_result; else keep_result; fi
}

# Steps made from other inputs do not count.
forget_stale_steps() {
    local inputs
    inputs=$(grep -v '^result' "$lock" | cat - "$here/build.sh" "$here/Setup.local" "$here/tail_calls.py" "$here"/*.patch "$here"/numpy/*.{patch,py} "$here/modules.c" "$here/sqlite.c" "$here/pgo/profile.zst" | sha256sum)
    [ "$(cat inputs 2>/dev/null)" = "$inputs" ] || rm -f stamp.*
    echo "$inputs" > inputs
}

# step NAME FUNCTION: runs FUNCTION unless NAME has been reached before.
step() {
    [ -e "stamp.$1" ] && return
    echo "== $2" >&2
    "$2"
    touch "stamp.$1"
}

# locked KIND [NAME]: the fields after KIND of the lock's lines.
locked() {
    awk -v kind="$1" -v name="${2:-}" '$1 == kind && (name == "" || $2 == name) { $1 = ""; print }' "$lock"
}

# ---- what it is built with, and from ------------------------------------------------------------------------------

# The compiler's packages are pinned: other versions give other bytes. The others only carry the build.
install_tools() {
    local name version sha256 wanted=()
    while read -r name version sha256; do
        [ "$(apt-cache show "$name=$version" | awk '$1 == "SHA256:" { print $2; exit }')" = "$sha256" ] ||
            die "Debian 12 does not offer $name $version with the locked SHA-256 (apt-get update? see README.md)"
        installed "$name" "$version" || wanted+=("$name=$version")
    done < <(locked compiler)
    for name in build-essential make ninja-build xz-utils zstd python3 python3-pip; do
        installed "$name" || wanted+=("$name")
    done
    [ ${#wanted[@]} = 0 ] || DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${wanted[@]}"
}

# installed NAME [VERSION]
installed() {
    local have
    have=$(dpkg-query -W -f '${Status} ${Version}' "$1" 2>/dev/null) || return 1
    [[ $have == "install ok installed ${2:-}"* ]]
}

fetch_sources() {
    local name version sha256 path upstream
    mkdir -p downloads
    while read -r name version sha256 path upstream; do
        fetch "$name" "$sha256" "$path" "$upstream"
    done < <(locked source)
    while read -r name version sha256; do
        echo "$name==$version --hash=sha256:$sha256" > downloads/requirements.txt
        rm -rf "$name"
        python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --no-compile \
            --only-binary :all: --require-hashes -r downloads/requirements.txt --target "$name"
    done < <(locked pypi)
    while read -r name version sha256; do
        fetch_sdist "$name" "$version" "$sha256"
    done < <(locked sdist)
}

# fetch_sdist NAME VERSION SHA256: pip keeps a source distribution only after its build backend has told its metadata. This
# stands in for the backend, which would configure a build for this machine.
fetch_sdist() {
    rm -rf downloads/backend && mkdir downloads/backend
    cat > downloads/backend/mesonpy.py <<END
import pathlib
def prepare_metadata_for_build_wheel(directory, settings=None):
    info = pathlib.Path(directory, "$1.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: $1\nVersion: $2\n")
    return info.name
END
    echo "$1==$2 --hash=sha256:$3" > downloads/requirements.txt
    PYTHONPATH=$PWD/downloads/backend python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
        --no-build-isolation --ignore-requires-python --require-hashes -r downloads/requirements.txt --dest downloads
}

# fetch NAME SHA256 PATH [UPSTREAM]: from the archive that this machine's apt uses, or else from upstream.
fetch() {
    local file=downloads/$1 archive
    archive=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 'Origin: Debian' |
        awk '$2 == "bookworm" && !found++ { print $1 }')
    /usr/lib/apt/apt-helper -o APT::Sandbox::User=root download-file "${archive%/}/$3" "$file" "SHA256:$2" ||
        { [ -n "$4" ] && /usr/lib/apt/apt-helper -o APT::Sandbox::User=root download-file "$4" "$file" "SHA256:$2"; } ||
        die "cannot get $1: $3"
    echo "$2  $file" | sha256sum --check --quiet
}

unpack_sources() {
    rm -rf cpython zlib bzip2 sqlite numpy sysroot
    mkdir cpython zlib bzip2 sqlite numpy
    tar -xf downloads/python3.13 -C cpython --strip-components=1
    tar -xf downloads/zlib -C zlib --strip-components=1
    tar -xf downloads/bzip2 -C bzip2 --strip-components=1
    tar -xf downloads/sqlite3 -C sqlite --strip-components=1
    tar -xf downloads/numpy-*.tar.gz -C numpy --strip-components=1
    dpkg-deb --extract downloads/wasi-libc sysroot
    python3 "$here/tail_calls.py" cpython/Python
    local file
    for file in "$here"/*.patch; do
        patch --quiet --strip=1 --fuzz=0 --directory=cpython < "$file"
    done
    for file in "$here"/numpy/*.patch; do
        patch --quiet --strip=1 --fuzz=0 --directory=numpy < "$file"
    done
    # guest/files has them, libc has not.
    sed -i '/WASI has no dup/s/ifdef .*/if 1/' sysroot/usr/include/wasm32-wasi/unistd.h
    local function
    for function in chmod fchmod; do
        replace cpython/Tools/wasm/config.site-wasm32-wasi "ac_cv_func_$function=no" "ac_cv_func_$function=yes"
    done
    echo 'ac_cv_func_dup=yes' >> cpython/Tools/wasm/config.site-wasm32-wasi
    # Keys derived from passwords: OpenSSL is not in here.
    replace cpython/Lib/hashlib.py 'from _hashlib import pbkdf2_hmac' 'from _kdf import pbkdf2_hmac'
    replace cpython/Lib/hashlib.py 'from _hashlib import scrypt' 'from _kdf import scrypt'
    # There is one interpreter, so its allocator's state has a fixed address. Nothing here can ask to hear of each object.
    replace cpython/Objects/obmalloc.c 'return interp->obmalloc;' 'return \&obmalloc_state_main;'
    replace cpython/Include/internal/pycore_object.h 'if (tracer->tracer_func != NULL) {' 'if (0) {'
    # Among the variables of its caller, which calls itself, its loop would keep some of its own on the stack.
    replace cpython/Objects/longobject.c 'x_mul(PyLongObject' 'Py_NO_INLINE x_mul(PyLongObject'
}

# replace FILE OLD NEW: in the one line that has OLD.
replace() {
    [ "$(grep -cF "$2" "$1")" = 1 ] || die "not exactly once in $1: $2"
    sed -i "s/$2/$3/" "$1"
}

# ---- compile ------------------------------------------------------------------------------------------------------

# The same CPython for this machine. It compiles Python to bytecode and runs build tools, so it is made quickly, not well.
# Its loop needs clang, too (`musttail`).
build_native_python() {
    rm -rf native && mkdir native
    quietly native configure env CC=clang-22 PKG_CONFIG=false MODULE_BUILDTYPE=static ../cpython/configure OPT=-O0 \
        --disable-test-modules --without-ensurepip
    quietly native make make -j"$(nproc)" python
}

# Where programs spend their time, learned from an instrumented CPython for this machine. The compiler counts at the level
# of C's control flow, so the counts fit the other target too, if the interpreter's loop is written in the same way: without
# computed gotos, which WebAssembly does not have. Address randomisation is off: it changes some counts a little.
learn_profile() {
    rm -rf profile && mkdir profile
    quietly profile configure env CC=clang-22 OPT=-DNDEBUG CFLAGS="-O1 -fprofile-instr-generate -mllvm -enable-value-profiling" \
        LDFLAGS=-fprofile-instr-generate PKG_CONFIG=false MODULE_BUILDTYPE=static ../cpython/configure --disable-test-modules --disable-ipv6 --without-ensurepip \
        --without-computed-gotos --with-pymalloc --without-mimalloc
    quietly profile make make -j"$(nproc)" python
    quietly profile train setarch -R env LLVM_PROFILE_FILE=train.profraw PYTHONPATH=../cpython/Lib \
        ./python -S -B "$here/pgo/train.py"
    llvm-profdata merge -o profile.profdata profile/train.profraw
    zstd -q -f --ultra -22 -T1 profile.profdata -o "$here/pgo/profile.zst"
    chmod 644 "$here/pgo/profile.zst"
    lock_result pgo/profile.zst
}

build_zlib() {
    rm -rf zlib-wasm && mkdir zlib-wasm
    local name
    for name in adler32 compress crc32 deflate infback inffast inflate inftrees trees uncompr zutil; do
        (cd zlib-wasm && $target_cc $target_cflags -DNO_GZIP_FILES -I../zlib -c "../zlib/$name.c" -o "$name.o")
    done
    llvm-ar rcD zlib-wasm/libz.a zlib-wasm/*.o
}

build_bzip2() {
    rm -rf bzip2-wasm && mkdir bzip2-wasm
    local name
    for name in blocksort bzlib compress crctable decompress huffman randtable; do
        (cd bzip2-wasm && $target_cc $target_cflags -I../bzip2 -c "../bzip2/$name.c" -o "$name.o")
    done
    llvm-ar rcD bzip2-wasm/libbz2.a bzip2-wasm/*.o
}

# SQLite's own tools, for this machine, make its single source file. Without LTO, which would gain little.
build_sqlite() {
    quietly sqlite configure env CC=clang-22 ./configure --disable-tcl
    quietly sqlite make make sqlite3.c
    rm -rf sqlite-wasm && mkdir sqlite-wasm
    cp sqlite/sqlite3.h sqlite-wasm/
    cp "$here/sqlite.c" sqlite-wasm/
    (cd sqlite-wasm && $target_cc $target_cflags -fno-lto -Wno-macro-redefined -c sqlite.c -o sqlite.o)
    llvm-ar rcD sqlite-wasm/libsqlite3.a sqlite-wasm/sqlite.o
}

configure_cpython() {
    rm -rf wasm && mkdir -p wasm/Modules
    cp "$here/Setup.local" wasm/Modules/
    # Relative paths: configure writes them into the objects. No pkg-config: it would find this machine's libraries.
    # Python's own allocator is off for WASI by default; with it, programs that make objects need 4 to 8 % fewer steps.
    quietly wasm configure env CONFIG_SITE=../cpython/Tools/wasm/config.site-wasm32-wasi \
        CC="$target_cc" AR=llvm-ar RANLIB=llvm-ranlib OPT=-DNDEBUG CFLAGS="$target_cflags" PKG_CONFIG=false \
        ZLIB_CFLAGS=-I../zlib ZLIB_LIBS=../zlib-wasm/libz.a \
        BZIP2_CFLAGS=-I../bzip2 BZIP2_LIBS=../bzip2-wasm/libbz2.a \
        LIBSQLITE3_CFLAGS=-I../sqlite-wasm LIBSQLITE3_LIBS="-L../sqlite-wasm -lsqlite3" \
        ../cpython/configure --host=wasm32-wasip1 --build=x86_64-pc-linux-gnu --with-build-python=../native/python \
        --prefix=/python --disable-test-modules --disable-ipv6 --without-ensurepip \
        --without-computed-gotos --with-pymalloc --without-mimalloc
}

compile_cpython() {
    cp "$here/link.mk" wasm/
    quietly wasm make make -f Makefile -f link.mk -j"$(nproc)" python-objects
}

# numpy's own build describes how its files are compiled. Meson runs on the CPython of this machine, which answers questions
# about Python as the target's would (numpy-build/python). Without -fPIC: the objects are linked statically.
configure_numpy() {
    quietly wasm sysconfig make -f Makefile pybuilddir.txt
    rm -rf numpy-build && mkdir numpy-build
    cat > numpy-build/python <<END
#!/bin/sh
export _PYTHON_PROJECT_BASE=$build/wasm _PYTHON_HOST_PLATFORM=wasi-wasm32
export _PYTHON_SYSCONFIGDATA_NAME=_sysconfigdata__wasi_wasm32-wasi
export PYTHONPATH=$build/wasm/$(cat wasm/pybuilddir.txt):$build/cpython/Lib\${PYTHONPATH:+:\$PYTHONPATH}
exec $build/native/python -B "\$@"
END
    chmod +x numpy-build/python
    cat > numpy-build/native.ini <<END
[binaries]
cython = ['$build/native/python', '-B', '$build/cython/cython.py']
END
    cat > numpy-build/target.ini <<END
[constants]
target = ['--target=wasm32-wasip1', '--sysroot=$build/sysroot/usr']
flags = ['$(echo $features | sed "s/ /', '/g")', '-fno-ident', '-ffile-prefix-map=$build/=', '-D_WASI_EMULATED_SIGNAL']
[binaries]
c = ['clang-22'] + target
cpp = ['clang++-22'] + target + ['-nostdinc++', '-isystem', '$llvm/include/wasm32-wasi/c++/v1']
ar = 'llvm-ar'
strip = 'llvm-strip'
python = '$build/numpy-build/python'
pkg-config = 'false'
[built-in options]
c_args = flags
cpp_args = flags + ['-fignore-exceptions']
[properties]
needs_exe_wrapper = true
skip_sanity_check = true
longdouble_format = 'IEEE_QUAD_LE'
[host_machine]
system = 'wasi'
cpu_family = 'wasm32'
cpu = 'wasm'
endian = 'little'
END
    quietly . meson native/python -B numpy/vendored-meson/meson/meson.py setup numpy-build numpy --buildtype release \
        --cross-file numpy-build/target.ini --native-file numpy-build/native.ini \
        -Dblas=none -Dlapack=none -Ddisable-threading=true -Dcpu-dispatch=none
    sed -i 's/ -fPIC\b//g' numpy-build/build.ninja
}

# Only the objects: what Meson would link are shared libraries. Without LTO, which takes long and gains little here.
compile_numpy() {
    python3 "$here/numpy/objects.py" numpy-build/build.ninja "$here/modules.c" > numpy-build/objects
    quietly numpy-build ninja xargs ninja -j"$(nproc)" < numpy-build/objects
    cp numpy-build/numpy/__config__.py numpy/numpy/
}

# ---- put together -------------------------------------------------------------------------------------------------

freeze_modules() {
    rm -rf frozen && mkdir frozen
    python3 "$here/tz.py" tzdata/tzdata frozen/_tzdata.py
    env -i PYTHONHASHSEED=0 PYTHONPATH=cpython/Lib native/python -S -B "$here/freeze.py" \
        "$here/stdlib.txt" cpython/Lib "$here/numpy/modules.txt" numpy wasm/Modules/config.c frozen/_tzdata.py frozen
}

link_module() {
    rm -rf wasm/files
    cp -r "$here/link.mk" "$here/kdf.c" "$here/modules.c" "$here/wcsftime.c" "$project/guest/guest.c" "$project/guest/files" wasm/
    sed 's|^|../numpy-build/|' numpy-build/objects > wasm/numpy-objects
    quietly wasm link make -f Makefile -f link.mk guest.wasm
    llvm-strip --strip-all -o python.wasm wasm/guest.wasm
    ! grep -aqF "$build" python.wasm || die "the path of the build is inside python.wasm"
    python3 "$here/imports.py" python.wasm | diff "$here/imports.txt" - >&2 || die "python.wasm imports other functions than imports.txt"
}

check_result() {
    [ "$(sha256 python.wasm)" = "$(locked result python.wasm | awk '{ print $3 }')" ] ||
        die "python.wasm differs from the lock: $(sha256 python.wasm)"
    zstd -dqc "$here/python.wasm.zst" | cmp - python.wasm || die "python.wasm.zst holds something else"
    echo "python.wasm is as locked: $(sha256 python.wasm)"
}

keep_result() {
    zstd -q -f --ultra -22 -T1 python.wasm -o "$here/python.wasm.zst"
    chmod 644 "$here/python.wasm.zst"
    lock_result python.wasm.zst
    sed -i "s/^\(result  *python.wasm  *-  *\).*/\1$(sha256 python.wasm)/" "$lock"
    keep_licenses
    ls -l python.wasm "$here/python.wasm.zst"
}

# The licences of everything that is linked in, from the same sources.
keep_licenses() {
    local licenses=$here/licenses
    rm -rf "$licenses" && mkdir "$licenses"
    cp cpython/LICENSE "$licenses/cpython.txt"
    cp cpython/Doc/license.rst "$licenses/cpython-incorporated.rst"
    cp cpython/Modules/expat/COPYING "$licenses/expat.txt"
    sed '/\*\//q' cpython/Modules/_decimal/libmpdec/mpdecimal.h > "$licenses/libmpdec.txt"
    sed '/\*\//q' cpython/Modules/_hacl/Hacl_Hash_SHA2.c > "$licenses/hacl.txt"
    cp bzip2/LICENSE "$licenses/bzip2.txt"
    cp zlib/LICENSE "$licenses/zlib.txt"
    cp sysroot/usr/share/doc/wasi-libc/copyright "$licenses/wasi-libc.txt"
    cp /usr/share/doc/libclang-rt-22-dev-wasm32/copyright "$licenses/compiler-rt.txt"
    cp tzdata/tzdata-*.dist-info/licenses/LICENSE "$licenses/tzdata.txt"
    cp sqlite/LICENSE.md "$licenses/sqlite.txt"
    # numpy's own, and those of the code that it contains, each under its path.
    (cd numpy && find LICENSE.txt numpy \( -name '*LICENSE*' -o -name COPYING \) -not -path '*/_build_utils/*' | sort | xargs tail -n +1) > "$licenses/numpy.txt"
    cp /usr/share/doc/libc++-22-dev-wasm32/copyright "$licenses/libc++.txt"
    cp /usr/share/common-licenses/Apache-2.0 /usr/share/common-licenses/CC0-1.0 "$licenses/" # those two refer to them
    chmod 644 "$licenses"/*
}

# ---- helpers ------------------------------------------------------------------------------------------------------

# quietly DIRECTORY WHAT COMMAND...: the output goes to a log, whose end is shown on failure.
quietly() {
    local directory=$1 log=$PWD/log.$1.$2
    shift 2
    (cd "$directory" && "$@") >"$log" 2>&1 || { tail -n 30 "$log" >&2; die "see $log"; }
}

# lock_cpython VERSION SHA256: of the release's .tar.xz, as its publisher tells it.
lock_cpython() {
    [[ $1 =~ ^3\.13\.[0-9]+$ && $2 =~ ^[0-9a-f]{64}$ ]] ||
        die "--update needs a release of CPython 3.13 and the SHA-256 of its .tar.xz: build.sh --update 3.13.16 1e66a7…"
    local had
    had=$(locked source python3.13 | awk '{ print $2 }')
    # The version also stands in both addresses.
    sed -i "/^source  *python3\.13 /{s/${had//./\\.}/$1/g;s/[0-9a-f]\{64\}/$2/}" "$lock"
}

# lock_result FILE: of this directory.
lock_result() {
    sed -i "s|^\(result  *$1  *-  *\).*|\1$(sha256 "$here/$1")|" "$lock"
}

sha256() { sha256sum "$1" | cut -d ' ' -f 1; }

die() { echo "build.sh: $*" >&2; exit 1; }

main "$@"; exit
