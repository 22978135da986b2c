"""`codeask lsp` with pygls's client: it reads every answer into the protocol's own types (lsprotocol, generated from the specification's
model), so what does not fit them is an error here."""
import asyncio
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import peers  # noqa: E402
from lib import CODEASK, main  # noqa: E402


def with_client(w, repo, use, **capabilities):
    from lsprotocol import types
    from pygls.lsp.client import LanguageClient

    async def run():
        client = LanguageClient("test", "1")
        heard = []

        @client.feature(types.WINDOW_SHOW_DOCUMENT)
        def show(params):
            heard.append(params)
            return types.ShowDocumentResult(success=True)

        @client.feature(types.CLIENT_REGISTER_CAPABILITY)
        def register(params):
            heard.append(params)

        @client.feature(types.CLIENT_UNREGISTER_CAPABILITY)
        def unregister(params):
            heard.append(params)

        @client.feature(types.WINDOW_WORK_DONE_PROGRESS_CREATE)
        def create(params):
            heard.append(params)

        @client.feature(types.WORKSPACE_CONFIGURATION)
        def configuration(params):
            heard.append(params)
            return [{"references": False}]

        for quiet in (types.WINDOW_LOG_MESSAGE, types.WINDOW_SHOW_MESSAGE, types.PROGRESS, types.LOG_TRACE):
            client.feature(quiet)(lambda params: heard.append(params))
        await client.start_io(CODEASK, "lsp", env={k: str(v) for k, v in w.env.items()}, cwd=str(repo))
        told = await client.initialize_async(types.InitializeParams(
            capabilities=types.ClientCapabilities(**capabilities), root_uri=repo.as_uri(),
            workspace_folders=[types.WorkspaceFolder(uri=repo.as_uri(), name=repo.name)]))
        client.initialized(types.InitializedParams())
        try:
            await use(client, types, told.capabilities, heard)
        finally:
            await client.shutdown_async(None)
            client.exit(None)
            await client.stop()
    asyncio.run(asyncio.wait_for(run(), 100))


def test_every_feature(w):
    repo = w.repo()
    w.json("index", cwd=repo)
    retry = repo / "src/retry.py"

    async def use(c, t, told, heard):
        here = t.TextDocumentIdentifier(uri=retry.as_uri())
        c.text_document_did_open(t.DidOpenTextDocumentParams(t.TextDocumentItem(uri=here.uri, language_id="python", version=1, text=retry.read_text())))
        at = t.Position(line=16, character=6)
        assert told.hover_provider and told.code_lens_provider.resolve_provider and told.completion_provider is None
        assert "def send_with_retry" in (await c.text_document_hover_async(t.HoverParams(here, at))).contents.value
        for ask, params in ((c.text_document_definition_async, t.DefinitionParams), (c.text_document_declaration_async, t.DeclarationParams)):
            assert (await ask(params(here, at)))[0].range.start == t.Position(line=16, character=4)
        assert not await c.text_document_implementation_async(t.ImplementationParams(here, at))
        assert len(await c.text_document_references_async(t.ReferenceParams(t.ReferenceContext(True), here, at))) == 2
        symbols = await c.text_document_document_symbol_async(t.DocumentSymbolParams(here))
        assert isinstance(symbols[0], t.DocumentSymbol) and [s.name for s in symbols] == ["RetryPolicy", "send_with_retry"], symbols
        assert await c.text_document_folding_range_async(t.FoldingRangeParams(here))
        assert not await c.text_document_document_link_async(t.DocumentLinkParams(here))
        lens = await c.text_document_code_lens_async(t.CodeLensParams(here))
        assert (await c.code_lens_resolve_async(lens[0])).command.command == "codeask.why"
        assert (await c.workspace_symbol_async(t.WorkspaceSymbolParams("RetryPolicy")))[0].location.uri == retry.as_uri()
        item, = await c.text_document_prepare_call_hierarchy_async(t.CallHierarchyPrepareParams(here, at))
        caller, = await c.call_hierarchy_incoming_calls_async(t.CallHierarchyIncomingCallsParams(item))
        assert caller.from_.name == "fetch"
        assert await c.call_hierarchy_outgoing_calls_async(t.CallHierarchyOutgoingCallsParams(caller.from_))
        actions = await c.text_document_code_action_async(t.CodeActionParams(here, t.Range(at, at), t.CodeActionContext([])))
        assert len(actions) == 6, actions  # lsprotocol takes a CodeAction with a command for a Command; sessions/lsp looks into them
        page = await c.workspace_execute_command_async(t.ExecuteCommandParams(
            command="codeask.explain", arguments=[{"uri": here.uri, "line": 16, "name": "send_with_retry"}]))
        shown = [h for h in heard if isinstance(h, t.ShowDocumentParams)]
        assert shown and shown[0].uri == page["uri"], (page, heard)
    with_client(w, repo, use, **literal_capabilities())


def literal_capabilities():
    from lsprotocol import types as t
    return {"window": t.WindowClientCapabilities(show_document=t.ShowDocumentClientCapabilities(support=True)),
            "text_document": t.TextDocumentClientCapabilities(
                document_symbol=t.DocumentSymbolClientCapabilities(hierarchical_document_symbol_support=True),
                code_action=t.CodeActionClientCapabilities(code_action_literal_support=t.ClientCodeActionLiteralOptions(
                    code_action_kind=t.ClientCodeActionKindOptions([]))))}


def test_registration_follows_the_settings(w):
    """Asked for by workspace/configuration; features that the client registers come and go."""
    repo = w.repo()

    async def use(c, t, told, heard):
        assert told.hover_provider is None and told.definition_provider
        for _ in range(100):
            names = [r.method for h in heard if isinstance(h, t.RegistrationParams) for r in h.registrations]
            gone = [r.method for h in heard if isinstance(h, t.UnregistrationParams) for r in h.unregisterations]
            if "textDocument/hover" in names and gone:
                break
            await asyncio.sleep(0.05)
        assert "textDocument/hover" in names and "workspace/didChangeConfiguration" in names, heard
        assert gone == ["textDocument/references"], heard
        assert any(isinstance(h, t.ConfigurationParams) and h.items[0].section == "codeask" for h in heard), heard
        c.workspace_did_change_configuration(t.DidChangeConfigurationParams(settings={"codeask": {"hover": False}}))
        for _ in range(100):
            gone = [r.method for h in heard if isinstance(h, t.UnregistrationParams) for r in h.unregisterations]
            if "textDocument/hover" in gone:
                break
            await asyncio.sleep(0.05)
        assert "textDocument/hover" in gone, heard

    from lsprotocol import types
    with_client(w, repo, use, workspace=types.WorkspaceClientCapabilities(
        configuration=True, did_change_configuration=types.DidChangeConfigurationClientCapabilities(dynamic_registration=True)),
        text_document=types.TextDocumentClientCapabilities(hover=types.HoverClientCapabilities(dynamic_registration=True),
                                                           references=types.ReferenceClientCapabilities(dynamic_registration=True)))


if __name__ == "__main__":
    if sys.prefix == sys.base_prefix:
        why = peers.install(HERE / "peers" / "lsp.txt")
        if why:
            print(f"no client to test with: {why}")
            sys.exit(77)
        os.execv(str(peers.PYTHON), [str(peers.PYTHON), *sys.argv])
    main(globals())
