"""The addresses of the hosted pages."""

from django.urls import URLPattern, path

from mfa.web import account, approve, bootstrap, enrolment, password, second_factor, sign_in

urlpatterns: list[URLPattern] = [
    path("mfa/enroll/<str:request_id>", enrolment.by_address, name="enrol"),
    path("mfa/approve/<str:token>", approve.page, name="approve"),
    path("account/bootstrap/<str:token>", bootstrap.page, name="bootstrap"),
    path("account/sign-in", sign_in.password, name="sign_in"),
    path("account/sign-in/code", second_factor.code, name="sign_in_code"),
    path("account/sign-in/link", second_factor.link, name="sign_in_link"),
    path("account/sign-in/link/state", second_factor.link_state, name="sign_in_link_state"),
    path("account/sign-in/enrol", enrolment.while_signing_in, name="sign_in_enrol"),
    path("account/sign-in/finish", second_factor.finish, name="sign_in_finish"),
    path("account/sign-in/cancel", second_factor.cancel, name="sign_in_cancel"),
    path("account/sign-in/new-password", password.must_change, name="new_password"),
    path("account/sign-out", sign_in.sign_out, name="sign_out"),
    path("account/", account.home, name="account"),
    path("account/devices/add", account.add_device, name="device_add"),
    path("account/devices/enrol", enrolment.while_signed_in, name="device_enrol"),
    path("account/devices/<uuid:device>/rename", account.rename_device, name="device_rename"),
    path("account/devices/<uuid:device>/default", account.make_default, name="device_default"),
    path("account/devices/<uuid:device>/remove", account.remove_device, name="device_remove"),
    path("account/recovery-codes", account.recovery_codes, name="recovery_codes"),
    path("account/sessions", account.sessions, name="account_sessions"),
    path("account/sessions/<uuid:session>/end", account.end_session, name="session_end"),
    path("account/sessions/end-others", account.end_other_sessions, name="sessions_end_others"),
    path("account/remembered/<int:device>/forget", account.forget_device, name="device_forget"),
    path("account/activity", account.activity, name="account_activity"),
    path("account/password", password.change, name="account_password"),
]
