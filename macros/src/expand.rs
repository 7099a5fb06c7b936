//! What the attributes turn a function into.
//!
//! ```text
//! #[monoloop::main(poll_budget = 61)]          fn main() -> Ret {
//! async fn main() -> Ret {                         async fn main() -> Ret {
//!     body                               =>            body
//! }                                                }
//!                                                  ::monoloop::EventLoop::builder()
//!                                                      .poll_budget(61)
//!                                                      .build()
//!                                                      .expect("..")
//!                                                      .run(main())
//!                                              }
//! ```
//!
//! The user's function lives on inside the new one, its signature and body unchanged, rather than as
//! an `async` block. So the return type guides inference, `return` and `?` mean what they always do,
//! and the compiler talks about the function that the user wrote. The two share their name, so that
//! an error or warning about both, such as an unknown return type, is as a rule the same one twice,
//! which the compiler shows once. Attributes go to the outer function; those that set lint levels hold
//! for the inner one too, because it is inside.
//!
//! The loop is a temporary of the tail expression: it is dropped, which shuts it down, when the body
//! is done, and also when the body panics.

use proc_macro::{Delimiter, Group, Ident, TokenStream, TokenTree};

use crate::Macro;
use crate::config::{Config, Setting};
use crate::error::Error;
use crate::function::{Attribute, Function, is_function_named};
use crate::tokens::code;

/// Expands the attribute `by` with these arguments on this item.
///
/// Code comes out even if there are errors, so that the compiler does not go on to miss the function.
pub(crate) fn expand(by: Macro, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let (config, mut errors) = Config::parse(arguments);
    let mut expanded = TokenStream::new();
    match Function::parse(item.clone(), by) {
        Ok(mut function) => {
            if by == Macro::Test {
                errors.extend(remove_second_test(&mut function));
                expanded.extend(code("#[::core::prelude::v1::test]"));
            }
            expanded.extend(outer_function(function, config));
        }
        Err(error) => {
            errors.push(error);
            expanded.extend(stand_in(item));
        }
    }
    expanded.extend(errors.into_iter().map(Error::into_compile_error));
    expanded
}

/// Two test attributes would run the test twice.
fn remove_second_test(function: &mut Function) -> Option<Error> {
    let position = function.attributes.iter().position(Attribute::is_test)?;
    let second = function.attributes.remove(position);
    Some(Error::across(
        &second.tokens,
        format!("`{}` makes this a test already: remove this attribute", Macro::Test),
    ))
}

/// What is emitted for an item that cannot be expanded: itself, but for `main`, since an `async`
/// one would be refused again, by the compiler.
fn stand_in(item: TokenStream) -> TokenStream {
    if is_function_named(item.clone(), "main") { code("fn main() {}") } else { item }
}

fn outer_function(function: Function, config: Config) -> TokenStream {
    let mut body = inner_function(&function);
    body.extend(run_on_new_loop(&function.name, config));
    let mut braces = Group::new(Delimiter::Brace, body);
    braces.set_span(function.body.span());

    let attributes = function.attributes.into_iter().flat_map(|it| it.tokens);
    let mut outer: TokenStream = attributes.collect();
    outer.extend(function.visibility);
    outer.extend::<[TokenTree; 3]>([
        function.fn_token.into(),
        function.name.into(),
        function.parameters.into(),
    ]);
    outer.extend(function.returns);
    outer.extend([TokenTree::from(braces)]);
    outer
}

/// The function as the user wrote it, save attributes and visibility.
///
/// Clippy may not ask for `async` to be removed where nothing is awaited, since we ask for it.
fn inner_function(function: &Function) -> TokenStream {
    let mut inner = code("#[allow(clippy::unused_async)]");
    inner.extend::<[TokenTree; 4]>([
        function.async_token.clone().into(),
        function.fn_token.clone().into(),
        function.name.clone().into(),
        function.parameters.clone().into(),
    ]);
    inner.extend(function.returns.clone());
    inner.extend([TokenTree::from(function.body.clone())]);
    inner
}

/// `::monoloop::EventLoop::builder() .. .build().expect("..").run(name())`
fn run_on_new_loop(name: &Ident, config: Config) -> TokenStream {
    let runtime = config.runtime();
    let is_interruptible = config.is_interruptible;
    let mut tokens = runtime.clone();
    tokens.extend(code("::EventLoop::builder()"));
    if is_interruptible {
        let mut interrupt = runtime;
        interrupt.extend(code("::OnCtrlC::Interrupt"));
        tokens.extend(code(".on_ctrl_c"));
        tokens.extend([TokenTree::from(Group::new(Delimiter::Parenthesis, interrupt))]);
    }
    tokens.extend(config.into_settings().into_iter().flat_map(setting));
    tokens.extend(code(".build().expect(\"the event loop can be set up\")."));
    tokens.extend(run(if is_interruptible { "run_or_exit" } else { "run" }, name));
    tokens
}

/// `.method(value)`
fn setting(setting: Setting) -> TokenStream {
    let mut call = code(".");
    call.extend([TokenTree::from(setting.method)]);
    call.extend([TokenTree::from(Group::new(Delimiter::Parenthesis, setting.value.into()))]);
    call
}

/// `run(name())`, or another method of the loop; all of it at the place of the name: there the main task was spawned, as far as
/// anybody who lists tasks is concerned.
fn run(method: &str, name: &Ident) -> TokenStream {
    let parentheses = |content: TokenStream| {
        let mut group = Group::new(Delimiter::Parenthesis, content);
        group.set_span(name.span());
        TokenTree::from(group)
    };
    let future = [name.clone().into(), parentheses(TokenStream::new())];
    [TokenTree::from(Ident::new(method, name.span())), parentheses(future.into_iter().collect())]
        .into_iter()
        .collect()
}
