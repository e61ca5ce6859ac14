"""What somebody who has logged in at the kiosk gets. Every act is given to `Staff` with who did it.

A session is a cookie that scripts cannot read and no other site can send; what changes something also brings the
session's CSRF token. Only requests from this machine may log in, unless a TLS proxy on it forwards them: a password,
and a session that opens a door, must not cross a network in plain text.
"""

import asyncio
import math
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from secrets import compare_digest
from typing import Annotated, Literal, cast

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field, SecretStr, StringConstraints

from edge.gate.kiosk.api import ConsentGiven, PersonLine, Staff
from edge.gate.kiosk.login import Session, Sessions, Throttle
from edge.gate.kiosk.pages import Body, Kiosk
from edge.gate.kiosk.plain import plain
from edge.gate.kiosk.staff_file import Passwords, StaffMember, read_staff
from runtime.config import ConfigError
from runtime.logs import get_log

COOKIE = "linli_kiosk"
CSRF = "x-linli-csrf"
CONSENT = "face-1"
"""Names the wording of `consent.*` in messages.toml; a change of its sense is a new name."""
PICTURES = 3
_MOST_FOUND = 50
"""As `Staff.find` gives."""

Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class Refused(Exception):
    """A request of staff that is not carried out; the page has a text for each `code`."""

    def __init__(self, code: str, status: HTTPStatus, *, retry_after_s: float | None = None) -> None:
        self.code = code
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(code)


class LoginBody(Body):
    """Who wants in."""

    login: Short
    password: SecretStr = Field(max_length=200)


class TakenBody(Body):
    """Pictures that were taken."""

    taken: tuple[Short, ...] = Field(max_length=PICTURES)


class EnrolBody(Body):
    """An enrolment: whose, from which pictures, and what was agreed to."""

    person: Short
    taken: tuple[Short, ...] = Field(min_length=PICTURES, max_length=PICTURES)
    wording: Literal["face-1"]
    language: Literal["zh", "en"]
    agreed: Literal[True]
    guardian: Short | None = None


class OpenBody(Body):
    """An opening by hand, and why."""

    why: Short


class EraseBody(Body):
    """Whose face is erased."""

    person: Short


@dataclass(kw_only=True, slots=True)
class Desk:
    """The parts that staff pages share."""

    kiosk: Kiosk
    staff: Staff
    file: Path
    passwords: Passwords = field(default_factory=Passwords)
    sessions: Sessions = field(default_factory=Sessions)
    throttle: Throttle = field(default_factory=Throttle)
    hashing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One at a time: each hash takes 64 MiB, and the gate beside it needs the processor."""

    async def log_in(self, login: str, password: str) -> tuple[str, Session]:
        """Check a login; gives the cookie's token. Refused when it is locked, wrong, or the file cannot be used."""
        log = get_log("edge.gate.kiosk")
        async with self.hashing:  # so that many guesses at once cannot pass before the first is counted
            wait_s = self.throttle.wait_s(login, self.kiosk.monotonic())
            if wait_s > 0:
                raise Refused("locked", HTTPStatus.TOO_MANY_REQUESTS, retry_after_s=wait_s)
            members = await self._members()
            member = members.get(login)
            fits = await asyncio.to_thread(self.passwords.fits, member, password)
            now_s = self.kiosk.monotonic()
            if not fits or member is None:
                self.throttle.failed(login, now_s)
                log.warning("staff login failed", known=member is not None)
                wait_s = self.throttle.wait_s(login, now_s)
                if wait_s > 0:
                    raise Refused("locked", HTTPStatus.TOO_MANY_REQUESTS, retry_after_s=wait_s)
                raise Refused("wrong", HTTPStatus.UNAUTHORIZED)
            self.throttle.succeeded(login)
            log.info("staff logged in", login=login)
            return self.sessions.begin(login, member.name, now_s)

    async def who(self, token: str | None) -> Session:
        """Give who asks; Refused when nobody is logged in, or they were taken off the file."""
        session = self.sessions.find(token, self.kiosk.monotonic())
        if session is None:
            raise Refused("no_session", HTTPStatus.UNAUTHORIZED)
        members = await self._members()
        self.sessions.end_of(frozenset(members))
        if session.login not in members:
            raise Refused("no_session", HTTPStatus.UNAUTHORIZED)
        return session

    async def _members(self) -> dict[str, StaffMember]:
        try:
            return dict(await asyncio.to_thread(read_staff, self.file))
        except ConfigError as error:
            get_log("edge.gate.kiosk").error("staff file cannot be used", problem=str(error))
            raise Refused("no_staff_file", HTTPStatus.SERVICE_UNAVAILABLE) from error


def get_desk(request: Request) -> Desk:
    """Give the parts of this application."""
    return cast("Desk", request.app.state.desk)


DeskDep = Annotated[Desk, Depends(get_desk)]


async def get_reader(request: Request, desk: DeskDep) -> Session:
    """Give who looks at something; Refused when nobody is logged in."""
    return await desk.who(request.cookies.get(COOKIE))


ReaderDep = Annotated[Session, Depends(get_reader)]


async def get_actor(request: Request, desk: DeskDep, session: ReaderDep) -> Session:
    """Give who does something, which keeps them logged in; Refused without the session's CSRF token."""
    if not compare_digest(request.headers.get(CSRF, "").encode(), session.csrf.encode()):
        raise Refused("csrf", HTTPStatus.FORBIDDEN)
    session.seen_s = desk.kiosk.monotonic()
    return session


ActorDep = Annotated[Session, Depends(get_actor)]

router = APIRouter(prefix="/api/staff")


def _told(session: Session, desk: Desk) -> dict[str, object]:
    return {
        "login": session.login,
        "name": session.name,
        "csrf": session.csrf,
        "left_s": math.floor(session.left_s(desk.kiosk.monotonic())),
        "consent": CONSENT,
        "pictures": PICTURES,
    }


@router.post("/login")
async def log_in(body: LoginBody, request: Request, desk: DeskDep) -> Response:
    """Log somebody in."""
    if not _is_here(request):
        raise Refused("not_here", HTTPStatus.FORBIDDEN)
    token, session = await desk.log_in(body.login.lower(), body.password.get_secret_value())
    answer = JSONResponse(_told(session, desk))
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure, path="/api/staff")
    return answer


@router.post("/logout")
async def log_out(session: ActorDep, request: Request, desk: DeskDep) -> Response:
    """Log out."""
    desk.sessions.end(request.cookies.get(COOKIE))
    get_log("edge.gate.kiosk").info("staff logged out", login=session.login)
    answer = Response(status_code=HTTPStatus.NO_CONTENT)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict", path="/api/staff")
    return answer


@router.get("/session")
async def session_now(request: Request, desk: DeskDep) -> Response:
    """Say who is logged in, and for how long; 204 when nobody is."""
    try:
        session = await desk.who(request.cookies.get(COOKIE))
    except Refused:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return JSONResponse(_told(session, desk))


@router.post("/here")
async def here(session: ActorDep, desk: DeskDep) -> Response:
    """Take note that somebody is touching the screen."""
    return JSONResponse(_told(session, desk))


@router.get("/people")
async def people(session: ReaderDep, desk: DeskDep, text: Annotated[str, Query(max_length=100)] = "") -> Response:
    """Find people on the roll."""
    return JSONResponse(plain(await desk.staff.find(text.strip(), by=session.login)))


@router.get("/quality", dependencies=[Depends(get_reader)])
async def quality(desk: DeskDep) -> Response:
    """Judge what the camera sees."""
    return JSONResponse(plain(await desk.staff.quality()))


@router.post("/take")
async def take(session: ActorDep, desk: DeskDep) -> Response:
    """Take a picture for an enrolment."""
    return JSONResponse(plain(await desk.staff.take(by=session.login)))


@router.post("/drop", dependencies=[Depends(get_actor)])
async def drop(body: TakenBody, desk: DeskDep) -> Response:
    """Forget pictures."""
    await desk.staff.drop(body.taken)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post("/enrol")
async def enrol(session: ActorDep, body: EnrolBody, desk: DeskDep) -> Response:
    """Enrol a face; a minor's only with the name of a guardian who agrees, which the gate itself demands too."""
    person = await _find(desk.staff, body.person, by=session.login)
    if person is not None and person.minor and body.guardian is None:
        raise Refused("guardian_needed", HTTPStatus.UNPROCESSABLE_ENTITY)
    consent = ConsentGiven(wording=body.wording, language=body.language, guardian=body.guardian)
    return JSONResponse(plain(await desk.staff.enrol(body.person, body.taken, consent, by=session.login)))


@router.get("/test")
async def test(session: ReaderDep, desk: DeskDep) -> Response:
    """Say whom the gate sees."""
    return JSONResponse(plain(await desk.staff.test(by=session.login)))


@router.post("/open")
async def open_door(session: ActorDep, body: OpenBody, desk: DeskDep) -> Response:
    """Open the door once."""
    return JSONResponse(plain(await desk.staff.open_door(body.why, by=session.login)))


@router.post("/erase")
async def erase(session: ActorDep, body: EraseBody, desk: DeskDep) -> Response:
    """Erase a person's face."""
    return JSONResponse({"erased": await desk.staff.erase(body.person, by=session.login)})


@router.get("/status", dependencies=[Depends(get_reader)])
async def status(desk: DeskDep) -> Response:
    """Give the state of the gate."""
    return JSONResponse(plain(await desk.staff.status()))


async def _find(staff: Staff, person: str, *, by: str) -> PersonLine | None:
    """Give the one with this id; None when more people are like it than are told of. Refused: there is nobody."""
    found = await staff.find(person, by=by)
    for one in found:
        if one.id == person:
            return one
    if len(found) < _MOST_FOUND:
        raise Refused("not_on_roll", HTTPStatus.UNPROCESSABLE_ENTITY)
    return None


def _is_here(request: Request) -> bool:
    """Whether a request comes from this machine, or over TLS by way of a proxy on it."""
    if request.url.scheme == "https":
        return True
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
