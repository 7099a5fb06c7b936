//! The body and the children of a scope, as the scope polls and drops them.

use std::any::Any;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::{Child, Shared};
use crate::event_loop;
use crate::executor::children::Children;
use crate::in_order::sort_numbers;
use crate::task::household::{self, Household};

/// The body's index; the children have the others.
const BODY: usize = 0;

pub(super) struct Crew<'env> {
    shared: Rc<Shared<'env>>,
    routes: Children,
    /// By index; the body's place is empty.
    children: Vec<Option<Member<'env>>>,
    /// How many children were taken in.
    entered: u64,
    /// Room for the next newcomers.
    spare: Vec<Child<'env>>,
    /// `None` only while it is lent.
    household: Option<Rc<Household>>,
    /// The first panic.
    panic: Option<Box<dyn Any + Send>>,
}

struct Member<'env> {
    /// Orders the children by their spawn; indices are reused.
    order: u64,
    child: Child<'env>,
}

impl<'env> Crew<'env> {
    pub(super) fn new(shared: Rc<Shared<'env>>) -> Self {
        Self {
            shared,
            routes: Children::new(1),
            children: vec![None],
            entered: 0,
            spare: Vec::new(),
            household: Some(Household::open()),
            panic: None,
        }
    }

    pub(super) fn household(&mut self) -> &mut Option<Rc<Household>> {
        &mut self.household
    }

    /// The body panicked before there was a future of it.
    pub(super) fn begin_failed<F>(
        &mut self,
        payload: Box<dyn Any + Send>,
        body: Pin<&mut Option<F>>,
    ) {
        let mut household = self.household.take();
        {
            let _at = household::enter(&mut household);
            self.end(payload, body);
        }
        self.household = household;
    }

    /// Polls who was woken. Ready when all are through, and their clean-ups.
    pub(super) fn poll<F: Future>(
        &mut self,
        cx: &Context<'_>,
        mut body: Pin<&mut Option<F>>,
        output: &mut Option<F::Output>,
    ) -> Poll<()> {
        self.routes.begin(cx);
        // Whoever is spawned from elsewhere wakes us; in here `take_in` sees it.
        self.shared.waiter.clear();
        self.take_in();
        let mut household = self.household.take();
        {
            let _at = household::enter(&mut household);
            while let Some((index, waker)) = self.routes.next(cx) {
                let mut cx = Context::from_waker(&waker);
                let polled = match index {
                    BODY => self.poll_body(&mut cx, body.as_mut(), output),
                    child => self.poll_child(child, &mut cx),
                };
                if let Err(payload) = polled {
                    self.end(payload, body.as_mut());
                }
                self.take_in();
            }
        }
        self.household = household;
        self.poll_through(cx, body.is_none())
    }

    fn poll_body<F: Future>(
        &mut self,
        cx: &mut Context<'_>,
        mut body: Pin<&mut Option<F>>,
        output: &mut Option<F::Output>,
    ) -> Result<(), Box<dyn Any + Send>> {
        let Some(running) = body.as_mut().as_pin_mut() else { return Ok(()) };
        if let Poll::Ready(value) = catch_unwind(AssertUnwindSafe(|| running.poll(cx)))? {
            *output = Some(value);
            self.routes.retire(BODY);
            catch_unwind(AssertUnwindSafe(|| body.set(None)))?;
        }
        Ok(())
    }

    fn poll_child(
        &mut self,
        index: usize,
        cx: &mut Context<'_>,
    ) -> Result<(), Box<dyn Any + Send>> {
        let Some(member) = &mut self.children[index] else { return Ok(()) };
        let polled = catch_unwind(AssertUnwindSafe(|| member.child.poll(cx)));
        match polled {
            Ok(Poll::Pending) => Ok(()),
            Ok(Poll::Ready(())) => self.let_go(index),
            Err(payload) => {
                // One panic is enough for one child.
                self.let_go(index).unwrap_or_else(event_loop::report_panic);
                Err(payload)
            }
        }
    }

    /// A child is over: drops it.
    fn let_go(&mut self, index: usize) -> Result<(), Box<dyn Any + Send>> {
        let member = self.children[index].take();
        if member.is_some() {
            self.routes.remove(index);
            self.shared.count_out();
        }
        catch_unwind(AssertUnwindSafe(|| drop(member)))
    }

    /// Takes in who was spawned since.
    fn take_in(&mut self) {
        let mut newcomers = self.shared.newcomers.replace(mem::take(&mut self.spare));
        for child in newcomers.drain(..) {
            let index = self.routes.insert();
            self.entered += 1;
            let member = Some(Member { order: self.entered, child });
            // Indices are given out one by one.
            match self.children.get_mut(index) {
                Some(place) => *place = member,
                None => self.children.push(member),
            }
        }
        self.spare = newcomers;
    }

    /// A panic: drops the body, then the children in spawn order, and takes no more. The first panic is kept, the
    /// others go to the error hook.
    fn end<F>(&mut self, payload: Box<dyn Any + Send>, mut body: Pin<&mut Option<F>>) {
        match &self.panic {
            None => self.panic = Some(payload),
            Some(_) => event_loop::report_panic(payload),
        }
        self.shared.is_closed.set(true);
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| body.set(None))) {
            event_loop::report_panic(payload);
        }
        self.drop_children();
    }

    fn drop_children(&mut self) {
        let mut members: Vec<_> = (0..self.children.len())
            .filter_map(|index| Some((self.children[index].as_ref()?.order, index)))
            .collect();
        sort_numbers(&mut members);
        for (_, index) in members {
            self.let_go(index).unwrap_or_else(event_loop::report_panic);
        }
        for newcomer in self.shared.take_newcomers() {
            self.shared.count_out();
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(newcomer)));
            dropped.unwrap_or_else(event_loop::report_panic);
        }
    }

    fn poll_through(&mut self, cx: &Context<'_>, is_body_over: bool) -> Poll<()> {
        let household = self.household.as_ref().expect("it is not lent");
        if is_body_over && self.shared.alive.get() == 0 && household.poll_empty(cx).is_ready() {
            return Poll::Ready(());
        }
        self.shared.waiter.register(cx);
        // Foreign code, which may have spawned.
        if !self.shared.newcomers.borrow().is_empty() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    pub(super) fn resume_panic(&mut self) {
        if let Some(payload) = self.panic.take() {
            resume_unwind(payload);
        }
    }
}

impl Drop for Crew<'_> {
    fn drop(&mut self) {
        self.shared.is_closed.set(true);
        self.shared.waiter.clear();
        self.drop_children();
        if let Some(payload) = self.panic.take() {
            event_loop::report_panic(payload);
        }
        if let Some(household) = &self.household {
            household.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use super::super::Scope;
    use super::*;

    #[test]
    fn places_of_children_that_are_over_are_used_again() {
        let shared = Rc::new(Shared::new());
        let mut crew = Crew::new(Rc::clone(&shared));
        let scope = Scope { shared };
        let mut body = pin!(Some(async move {
            for _ in 0..500 {
                scope.spawn(async {}).await;
            }
        }));
        let mut output = None;
        let cx = Context::from_waker(Waker::noop());
        let polls =
            (0..2000).take_while(|_| crew.poll(&cx, body.as_mut(), &mut output).is_pending());
        assert!(polls.count() < 2000 && output.is_some());
        assert!(crew.children.len() <= 3, "{}", crew.children.len());
    }
}
