namespace Sluice.Admin.Http;

/// <summary>Who may use a route, besides having a tag that opens the API at all.</summary>
internal enum Role
{
    /// <summary>Any user with a management tag.</summary>
    Management,
    Policymaker,
    Monitoring,
    Administrator,
}

/// <summary>One thing the API can do.</summary>
internal sealed record Route(string Method, string[] Pattern, Role Role, Func<AdminRequest, Task> Handle);

/// <summary>
/// Finds routes by the segments of the raw path: names may hold any character, escaped slashes included (the virtual host "/" is %2F),
/// so the path is split before it is decoded.
/// </summary>
internal sealed class Routes
{
    private readonly List<Route> _routes = [];

    public void Get(string pattern, Role role, Func<AdminRequest, Task> handle) => Add("GET", pattern, role, handle);

    public void Put(string pattern, Role role, Func<AdminRequest, Task> handle) => Add("PUT", pattern, role, handle);

    public void Post(string pattern, Role role, Func<AdminRequest, Task> handle) => Add("POST", pattern, role, handle);

    public void Delete(string pattern, Role role, Func<AdminRequest, Task> handle) => Add("DELETE", pattern, role, handle);

    /// <summary>Finds the route of a path such as /api/queues/%2F/orders.</summary>
    /// <returns>The route and the values of its names; null with other methods that the path knows (empty: no such path).</returns>
    public (Route? Route, Dictionary<string, string> Values, IReadOnlyList<string> OtherMethods) Find(string method, string path)
    {
        string[] segments = [.. path.Split('/').Skip(1).Select(Uri.UnescapeDataString)];
        if (segments.Length > 1 && segments[^1].Length == 0)
        {
            segments = segments[..^1];
        }

        List<string> others = [];
        foreach (Route route in _routes)
        {
            if (Match(route.Pattern, segments) is { } values)
            {
                if (route.Method == method)
                {
                    return (route, values, []);
                }

                others.Add(route.Method);
            }
        }

        return (null, [], others);
    }

    private static Dictionary<string, string>? Match(string[] pattern, string[] segments)
    {
        if (pattern.Length != segments.Length)
        {
            return null;
        }

        Dictionary<string, string> values = [];
        for (int i = 0; i < pattern.Length; i++)
        {
            if (pattern[i][0] == '{')
            {
                values[pattern[i][1..^1]] = segments[i];
            }
            else if (pattern[i] != segments[i])
            {
                return null;
            }
        }

        return values;
    }

    private void Add(string method, string pattern, Role role, Func<AdminRequest, Task> handle) => _routes.Add(new Route(method, pattern.Split('/'), role, handle));
}
