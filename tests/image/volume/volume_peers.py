"""What nibabel and unu make of volume files, in a form that the C++ tests compare.

dump LIST        each line of LIST "IN<TAB>OUT": OUT gets "nx ny nz channels" and the LPS affine's three rows as one line of
                 text, then float32 little-endian, channel after channel, i fastest
make FOLDER      odd NIfTI files made by nibabel, each with its dump beside it (NAME.dump)
names FILE OUT   the label table of a NIfTI's Caret extension, a line "value<TAB>name" each
unu LIST         as dump, for NRRD: teem's unu decodes the voxels and prints the header
"""
import pathlib
import subprocess
import sys
import warnings
import xml.etree.ElementTree

import nibabel
import numpy as np

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_dump(path, values, lps):
    values = values.reshape(values.shape[:3] + (-1,)) if values.ndim > 3 else values[..., None]
    with open(path, "wb") as out:
        text = [*map(str, values.shape)] + [repr(float(v)) for v in lps[:3].ravel()]
        out.write((" ".join(text) + "\n").encode())
        for channel in range(values.shape[3]):
            out.write(np.asfortranarray(values[..., channel].astype("<f4")).tobytes(order="F"))


def dump_nifti(source, target):
    image = nibabel.load(source)
    # As nnU-Net's NibabelIO: double first, float32 afterwards. Without scaling, the stored values directly.
    values = np.asanyarray(image.dataobj)
    write_dump(target, values, LPS @ image.affine)


def make(folder):
    rng = np.random.default_rng(20261124)
    affine = np.array([[-1.25, 0.3, 0.1, 20.5], [0.2, 1.5, -0.4, -31.0], [0.05, 0.35, 2.75, 7.25], [0, 0, 0, 1]])
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    rigid = np.eye(4)
    rigid[:3, :3] = rotation * [0.9, 1.1, 2.5]
    rigid[:3, 3] = [3.5, -40.25, 11]
    shape = (7, 6, 5)

    def save(name, image):
        nibabel.save(image, folder / name)
        dump_nifti(folder / name, folder / (name + ".dump"))

    for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image):
        version = kind.__name__[5]
        for code in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"):
            info = np.finfo(code) if code[0] == "f" else np.iinfo(code)
            for order in "<>":
                data = (rng.random(shape) * 200 - (0 if code[0] == "u" else 100)).astype(order + code)
                if code[0] != "f":
                    data[0, 0, 0], data[1, 0, 0] = info.min, info.max
                header = (nibabel.Nifti1Header if version == "1" else nibabel.Nifti2Header)(endianness=order)
                header.set_data_dtype(order + code)
                image = kind(data, affine, header)
                save(f"v{version}_{code}_{'little' if order == '<' else 'big'}.nii.gz", image)
    data = rng.integers(-1000, 3000, shape).astype("<i2")
    image = nibabel.Nifti1Image(data, rigid)
    image.set_sform(None, 0)
    image.set_qform(rigid, 1)
    save("qform_only.nii", image)
    image = nibabel.Nifti1Image(data, rigid)
    image.header.set_slope_inter(0.37, -1024.5)
    save("scaled.nii.gz", image)
    image = nibabel.Nifti1Image(data, None)
    image.header["pixdim"][1:4] = [0.5, 1.5, 2.5]
    image.header["qform_code"] = image.header["sform_code"] = 0
    save("no_form.nii", image)
    save("four.nii.gz", nibabel.Nifti1Image(rng.random(shape + (3,)).astype("f4"), affine))
    save("vector.nii", nibabel.Nifti1Image(rng.random(shape + (1, 2)).astype("f4"), affine))
    nibabel.save(nibabel.Nifti1Pair(data, affine), folder / "pair.hdr")
    dump_nifti(folder / "pair.hdr", folder / "pair.hdr.dump")


def names(source, target):
    [extension] = [e for e in nibabel.load(source).header.extensions if e.get_code() == 30]
    content = extension.get_content()
    table = xml.etree.ElementTree.fromstring(content.strip())
    with open(target, "w", encoding="utf-8") as out:
        for label in table.find("VolumeInformation").find("LabelTable"):
            out.write(f"{label.get('Key')}\t{label.text}\n")


def dump_nrrd(source, target):
    floats = subprocess.run(["teem-unu", "convert", "-t", "float", "-i", source], check=True, capture_output=True).stdout
    raw = subprocess.run(["teem-unu", "save", "-f", "nrrd", "-e", "raw", "-en", "little", "-i", "-"], input=floats,
                         check=True, capture_output=True).stdout
    head, values = raw.split(b"\n\n", 1)
    fields = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
    vector = lambda text: [float(v) for v in text.strip("()").split(",")]
    directions = [vector(v) for v in fields["space directions"].split()]
    lps = np.eye(4)
    lps[:3, :3] = np.array(directions).T
    lps[:3, 3] = vector(fields["space origin"])
    if fields["space"] != "left-posterior-superior":
        lps = LPS @ lps  # only right-anterior-superior is given to us
    shape = [int(v) for v in fields["sizes"].split()]
    write_dump(target, np.frombuffer(values, "<f4").reshape(shape, order="F"), lps)


def main():
    warnings.simplefilter("ignore")
    command, argument = sys.argv[1], pathlib.Path(sys.argv[2])
    if command == "make":
        make(argument)
    elif command == "names":
        names(argument, sys.argv[3])
    else:
        for line in argument.read_text(encoding="utf-8").splitlines():
            source, target = line.split("\t")
            (dump_nifti if command == "dump" else dump_nrrd)(source, target)


if __name__ == "__main__":
    main()
