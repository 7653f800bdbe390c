namespace Sluice.Protocols.Kafka.Wire.Generator;

/// <summary>Writes the body of a structure's Read.</summary>
internal sealed class ReadGenerator(Schema schema, StructSchema message, StructSchema part, CodeWriter code)
{
    private readonly string _flexible = schema.Flexible.Condition(part.Versions);

    public void Write()
    {
        if (_flexible is not ("true" or "false"))
        {
            code.Line($"bool flexible = {_flexible};");
        }

        foreach (FieldSchema field in part.Fields)
        {
            WriteField(field);
        }

        WriteTags();
    }

    private void WriteField(FieldSchema field)
    {
        string condition = field.Tag is not null ? "false" : field.Versions.Condition(part.Versions);
        if (condition == "false")
        {
            code.Line($"{field.Name} = {MessageGenerator.DefaultValue(field)};");
            return;
        }

        string flexible = _flexible is "true" or "false" ? _flexible : "flexible";
        if (!field.IsStruct || field.IsArray)
        {
            string value = Expression(field, field.Versions, flexible);
            code.Line($"{field.Name} = {(condition == "true" ? value : $"{condition} ? {value} : {MessageGenerator.DefaultValue(field)}")};");
            return;
        }

        code.Line($"{field.Name} = {MessageGenerator.DefaultValue(field)};");
        string nullable = field.Nullable.Condition(field.Versions);
        string present = nullable switch
        {
            "false" => condition,
            "true" => condition == "true" ? "reader.ReadPresence()" : $"{condition} && reader.ReadPresence()",
            _ => throw new NotSupportedException($"{field.Name} is a structure that is nullable in some versions only"),
        };
        if (present == "true")
        {
            ReadStruct(field);
        }
        else
        {
            code.Block($"if ({present})", () => ReadStruct(field));
            code.Line();
        }
    }

    private void ReadStruct(FieldSchema field)
    {
        if (MessageGenerator.DefaultValue(field) == "null")
        {
            code.Line($"{field.Name} = new {field.Type}();");
        }

        code.Line($"{field.Name}.Read(ref reader, version);");
    }

    private string Expression(FieldSchema field, VersionRange versions, string flexible)
    {
        string nullable = field.Nullable.Condition(versions);
        return nullable is "true" or "false"
            ? Expression(field, nullable == "true", flexible)
            : $"({nullable} ? {Expression(field, true, flexible)} : {Expression(field, false, flexible)})";
    }

    private string Expression(FieldSchema field, bool nullable, string flexible)
    {
        Primitive.All.TryGetValue(field.Type, out Primitive? primitive);
        if (!field.IsArray)
        {
            return $"reader.Read{(nullable ? "Nullable" : "")}{primitive!.Method}({(primitive.TakesFlexible ? flexible : "")})";
        }

        int bytesMin = primitive is null ? MessageGenerator.BytesMin(schema, message, message.Structs[field.Type]) : Math.Min(primitive.BytesMin, primitive.FlexibleBytesMin);
        if (bytesMin < 1)
        {
            throw new NotSupportedException($"an array of {field.Type}, which takes no bytes");
        }

        string local = char.ToLowerInvariant(field.Name[0]) + field.Name[1..] + "Length";
        string length = nullable ? local : $"reader.ReadArrayLength({flexible}, {bytesMin})";
        string array = primitive is null
            ? $"{field.Type}.ReadArray(ref reader, {length}, version)"
            : $"reader.Read{primitive.Method}s({length}{(primitive.TakesFlexible ? ", " + flexible : "")})";
        return nullable ? $"(reader.ReadNullableArrayLength({flexible}, {bytesMin}) is >= 0 and int {local} ? {array} : null)" : array;
    }

    private void WriteTags()
    {
        if (_flexible == "false")
        {
            return;
        }

        if (_flexible == "true")
        {
            WriteTagLoop();
        }
        else
        {
            code.Block("if (flexible)", WriteTagLoop);
        }
    }

    private void WriteTagLoop()
    {
        FieldSchema[] tagged = [.. part.Fields.Where(field => field.Tag is not null).OrderBy(field => field.Tag)];
        if (tagged.Length == 0)
        {
            code.Line("reader.SkipTags();");
            return;
        }

        code.Block("for (uint left = reader.ReadTagCount(); left > 0; left--)", () => code.Block("switch (reader.ReadTag(out int end))", () =>
        {
            foreach (FieldSchema field in tagged)
            {
                string condition = field.Versions.Condition(part.Versions.Intersect(schema.Flexible));
                code.Line($"case {field.Tag}{(condition == "true" ? "" : " when " + condition)}:");
                code.Indented(() =>
                {
                    WriteTagged(field);
                    code.Line("reader.EndTag(end);").Line("break;");
                });
            }

            code.Line("default:");
            code.Indented(() => code.Line("reader.SkipTag(end);").Line("break;"));
        }));
    }

    private void WriteTagged(FieldSchema field)
    {
        if (!field.IsAbsentableStruct)
        {
            code.Line($"{field.Name} = {Expression(field, field.Versions, "true")};");
        }
        else if (field.IsNullable)
        {
            code.Block("if (reader.ReadPresence())", () => ReadStruct(field));
            code.Line();
        }
        else
        {
            ReadStruct(field);
        }
    }
}
