import pytest
from pydantic import BaseModel, ConfigDict

from sandmle.core.errors import ConfigError, PluginError
from sandmle.core.hooks.registry import Kind, Registered, Registry, Spec


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    timeout_s: float = 3.0
    readable: tuple[str, ...] = ()


def needs_a_package(config: Options) -> None:
    import a_package_nobody_has  # noqa: F401


@pytest.fixture
def registry() -> Registry:
    specs = [
        Spec(name="process", summary="", make=lambda config: config, config=Options),
        Spec(name="docker", summary="", make=needs_a_package, config=Options, extra="docker"),
    ]
    return Registry({(Kind.SANDBOX, one.name): Registered(kind=Kind.SANDBOX, spec=one, source="x") for one in specs})


def test_options_are_validated_by_the_specs_own_type(registry):
    assert registry.make(Kind.SANDBOX, "process", {"timeout_s": 5}).timeout_s == 5.0


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("proces", {}, "no sandbox named 'proces'; did you mean 'process'?"),
        (
            "process",
            {"timeout": 1},
            "unknown configuration key 'plugin.sandbox.process.timeout'; did you mean 'timeout_s'?",
        ),
        ("process", {"timeout_s": "soon"}, "plugin.sandbox.process.timeout_s: Input should be a valid number"),
        ("process", {"readable": "/srv"}, 'plugin.sandbox.process.readable wants a list, such as ["/srv"]'),
    ],
)
def test_wrong_names_keys_and_values_are_named(registry, name, options, complaint):
    with pytest.raises(ConfigError) as caught:
        registry.make(Kind.SANDBOX, name, options)
    assert complaint in str(caught.value)


def test_a_missing_package_names_the_extra_to_install(registry):
    with pytest.raises(PluginError, match=r"pip install 'sandmle\[docker\]'"):
        registry.make(Kind.SANDBOX, "docker")


def test_what_a_strangers_make_raises_is_the_plugins_failure_and_a_built_ins_is_ours():
    def broken(config: Options) -> None:
        raise RuntimeError("no luck")

    def registered(source: str) -> Registry:
        spec = Spec(name="lucky", summary="", make=broken)
        return Registry({(Kind.SCAFFOLD, "lucky"): Registered(kind=Kind.SCAFFOLD, spec=spec, source=source)})

    with pytest.raises(PluginError, match="scaffold 'lucky' of plugin 'x' cannot be made: RuntimeError: no luck"):
        registered("x").make(Kind.SCAFFOLD, "lucky")
    with pytest.raises(RuntimeError, match="no luck"):
        registered("sandmle").make(Kind.SCAFFOLD, "lucky")


def test_an_option_that_must_be_given_is_named_with_the_way_to_give_it():
    class Needy(BaseModel):
        path: str

    spec = Spec(name="corpus", summary="", make=lambda config: config, config=Needy)
    registry = Registry({(Kind.BENCHMARK, "corpus"): Registered(kind=Kind.BENCHMARK, spec=spec, source="x")})
    with pytest.raises(ConfigError, match=r"--set plugin\.benchmark\.corpus\.path=VALUE"):
        registry.make(Kind.BENCHMARK, "corpus")


def test_what_a_strangers_code_raises_later_names_it_too_and_a_built_ins_is_ours(registry):
    doing = "cannot say so"
    with (
        pytest.raises(PluginError, match="sandbox 'process' of plugin 'x' cannot say so: KeyError: 'why'"),
        registry.blaming(Kind.SANDBOX, "process", doing),
    ):
        raise KeyError("why")
    with pytest.raises(ConfigError, match="its own words"), registry.blaming(Kind.SANDBOX, "process", doing):
        raise ConfigError("its own words")
    spec = registry.spec(Kind.SANDBOX, "process")
    ours = Registry({(Kind.SANDBOX, "process"): Registered(kind=Kind.SANDBOX, spec=spec, source="sandmle")})
    with pytest.raises(KeyError, match="why"), ours.blaming(Kind.SANDBOX, "process", doing):
        raise KeyError("why")
