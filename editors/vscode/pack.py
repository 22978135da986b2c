"""Packs the built extension as a .vsix: a ZIP with a manifest. usage: pack.py DIR OUT

The same input gives the same bytes. What is packed: package.json, README.md, out/*.js, and of node_modules what the extension needs
when it runs (not the development packages of package-lock.json)."""
import json
import pathlib
import sys
import zipfile
from xml.sax.saxutils import escape, quoteattr

TYPES = """<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension=".json" ContentType="application/json"/><Default Extension=".js" ContentType="application/javascript"/>
<Default Extension=".md" ContentType="text/markdown"/><Default Extension=".txt" ContentType="text/plain"/>
<Default Extension=".vsixmanifest" ContentType="text/xml"/></Types>
"""
MANIFEST = """<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
<Metadata><Identity Language="en-US" Id={id} Version={version} Publisher={publisher}/><DisplayName>{name}</DisplayName>
<Description xml:space="preserve">{description}</Description><Categories>Other</Categories>
<Properties><Property Id="Microsoft.VisualStudio.Code.Engine" Value={engine}/></Properties></Metadata>
<Installation><InstallationTarget Id="Microsoft.VisualStudio.Code"/></Installation><Dependencies/>
<Assets><Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json" Addressable="true"/>
<Asset Type="Microsoft.VisualStudio.Services.Content.Details" Path="extension/README.md" Addressable="true"/></Assets>
</PackageManifest>
"""
KEPT = {".js", ".json", ".txt", ".md"}


def files_of(folder):
    lock = json.loads((folder / "package-lock.json").read_text())
    yield from (folder / "package.json", folder / "README.md")
    yield from sorted((folder / "out").rglob("*.js"))
    for name, row in sorted(lock["packages"].items()):
        if not name or row.get("dev"):
            continue
        for path in sorted((folder / name).rglob("*")):
            inner = path.relative_to(folder / name).parts
            if path.is_file() and "node_modules" not in inner and (path.suffix in KEPT and not path.name.endswith(".d.ts") or path.name.startswith("LICENSE")):
                yield path


def main(folder, out):
    about = json.loads((folder / "package.json").read_text())
    manifest = MANIFEST.format(id=quoteattr(about["name"]), version=quoteattr(about["version"]), publisher=quoteattr(about["publisher"]),
                               name=escape(about["displayName"]), description=escape(about["description"]), engine=quoteattr(about["engines"]["vscode"]))
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        def add(name, data):
            z.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
        add("extension.vsixmanifest", manifest)
        add("[Content_Types].xml", TYPES)
        for path in files_of(folder):
            add(f"extension/{path.relative_to(folder)}", path.read_bytes())
    print(f"{out}: {out.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
