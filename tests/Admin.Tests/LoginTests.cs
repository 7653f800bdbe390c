using System.Net;
using System.Text.Json.Nodes;
using Xunit;

namespace Sluice.Admin.Tests;

public sealed class LoginTests
{
    [Fact]
    public async Task Without_a_login_the_answer_asks_for_one()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        host.LogOut();
        using HttpResponseMessage answer = await host.SendAsync(HttpMethod.Get, "/api/overview");
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Contains("Basic", answer.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
        host.LogIn("guest", "wrong");
        JsonNode error = await host.AskAsync(HttpMethod.Get, "/api/overview", HttpStatusCode.Unauthorized);
        Assert.Equal("not_authorised", error["error"]!.ToString());
        Assert.Equal("Login failed", error["reason"]!.ToString());
    }

    [Theory]
    [InlineData("", "/api/overview", HttpStatusCode.Unauthorized)]
    [InlineData("management", "/api/overview", HttpStatusCode.OK)]
    [InlineData("management", "/api/users", HttpStatusCode.Unauthorized)]
    [InlineData("management", "/api/nodes", HttpStatusCode.Unauthorized)]
    [InlineData("monitoring", "/api/nodes", HttpStatusCode.OK)]
    [InlineData("monitoring", "/api/users", HttpStatusCode.Unauthorized)]
    [InlineData("policymaker", "/api/policies", HttpStatusCode.OK)]
    [InlineData("administrator", "/api/users", HttpStatusCode.OK)]
    public async Task Tags_decide_what_may_be_seen(string tags, string path, HttpStatusCode expected)
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PutAsync("/api/users/other", $$"""{"password":"secret","tags":"{{tags}}"}""");
        host.LogIn("other", "secret");
        await host.AskAsync(HttpMethod.Get, path, expected);
    }

    [Fact]
    public async Task A_management_user_sees_only_virtual_hosts_that_it_may_enter()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PutAsync("/api/vhosts/mine", "{}");
        await host.PutAsync("/api/users/other", """{"password":"secret","tags":"management"}""");
        await host.PutAsync("/api/permissions/mine/other", """{"configure":"^other","write":".*","read":".*"}""");
        host.LogIn("other", "secret");
        Assert.Equal("mine", Assert.Single((await host.GetAsync("/api/vhosts")).AsArray())!["name"]!.ToString());
        await host.AskAsync(HttpMethod.Get, "/api/queues/%2F", HttpStatusCode.Unauthorized);
        await host.PutAsync("/api/queues/mine/other-queue", "{}");
        JsonNode refused = await host.PutAsync("/api/queues/mine/queue", "{}", HttpStatusCode.Unauthorized);
        Assert.Equal("configure access to queue 'queue' in vhost 'mine' refused for user 'other'", refused["reason"]!.ToString());
    }

    [Fact]
    public async Task Unknown_paths_and_methods_are_told_apart()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        JsonNode unknown = await host.AskAsync(HttpMethod.Get, "/api/nothing", HttpStatusCode.NotFound);
        Assert.Equal("Object Not Found", unknown["error"]!.ToString());
        using HttpResponseMessage wrong = await host.SendAsync(HttpMethod.Post, "/api/whoami", "{}");
        Assert.Equal(HttpStatusCode.MethodNotAllowed, wrong.StatusCode);
        Assert.Equal("GET", Assert.Single(wrong.Content.Headers.Allow));
    }

    [Fact]
    public async Task Who_am_I()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        JsonNode me = await host.GetAsync("/api/whoami");
        Assert.Equal("guest", me["name"]!.ToString());
        Assert.Equal("administrator", Assert.Single(me["tags"]!.AsArray())!.ToString());
    }
}
