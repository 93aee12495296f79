# As much of nixpkgs' `lib` as the modules here use, in our own words: so that they can be evaluated where there is no
# nixpkgs and no network. What it does not know, it refuses, as nixpkgs does: unknown options, wrong types, conflicts.
let
  inherit (builtins)
    all
    attrNames
    attrValues
    concatLists
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    head
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isPath
    isString
    length
    listToAttrs
    map
    match
    mapAttrs
    replaceStrings
    seq
    stringLength
    substring
    ;

  lib = {
    inherit attrValues listToAttrs types;

    # Texts
    hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
    optionalString = condition: text: if condition then text else "";
    escapeShellArg =
      text:
      if match "[[:alnum:],._+:@%/-]+" (toString text) != null then
        toString text
      else
        "'" + replaceStrings [ "'" ] [ "'\\''" ] (toString text) + "'";
    escapeShellArgs = texts: concatStringsSep " " (map lib.escapeShellArg texts);

    # Lists and sets
    optional = condition: value: if condition then [ value ] else [ ];
    optionals = condition: values: if condition then values else [ ];
    optionalAttrs = condition: set: if condition then set else { };
    nameValuePair = name: value: { inherit name value; };
    genAttrs = names: make: listToAttrs (map (name: lib.nameValuePair name (make name)) names);
    mapAttrsToList = make: set: map (name: make name set.${name}) (attrNames set);
    filterAttrs =
      keep: set:
      listToAttrs (
        concatMap (name: lib.optional (keep name set.${name}) (lib.nameValuePair name set.${name})) (attrNames set)
      );

    # Modules
    mkOption = option: option // { _type = "option"; };
    literalExpression = text: { inherit text; };
    mkIf = condition: content: {
      _type = "if";
      inherit condition content;
    };
    mkMerge = contents: {
      _type = "merge";
      inherit contents;
    };
    mkOverride = priority: content: {
      _type = "override";
      inherit priority content;
    };
    mkForce = lib.mkOverride 50;
    mkDefault = lib.mkOverride 1000;
    inherit evalModules;

    licenses.asl20.spdxId = "Apache-2.0";
    sourceTypes.binaryNativeCode.isSource = false;
  };

  is = type: value: isAttrs value && value._type or "" == type;
  shown = concatStringsSep ".";

  # A definition as the definitions it consists of, each with its priority, smaller before larger. Only here conditions
  # are looked at.
  discharge =
    value:
    if is "if" value then
      (if value.condition then discharge value.content else [ ])
    else if is "merge" value then
      concatMap discharge value.contents
    else if is "override" value then
      map (inner: inner // { inherit (value) priority; }) (discharge value.content)
    else
      [
        {
          priority = 100;
          inherit value;
        }
      ];
  strongest =
    definitions:
    let
      least = foldl' (found: one: if one.priority < found then one.priority else found) 10000 definitions;
    in
    map (one: one.value) (filter (one: one.priority == least) definitions);

  # A set of definitions as plain sets: what stands around the set moves to its members, so that their names are known
  # before any condition is.
  pushDown =
    value:
    if is "if" value then
      map (mapAttrs (_: lib.mkIf value.condition)) (pushDown value.content)
    else if is "merge" value then
      concatMap pushDown value.contents
    else if is "override" value then
      map (mapAttrs (_: lib.mkOverride value.priority)) (pushDown value.content)
    else
      [ value ];

  equal =
    path: values:
    if all (value: value == head values) values then
      head values
    else
      throw "The option `${shown path}' has conflicting definitions";

  simple = name: check: {
    inherit name check;
    merge = equal;
  };

  types = {
    bool = simple "boolean" isBool;
    str = simple "string" isString;
    package = simple "package" (value: isAttrs value && value ? outPath);
    port = simple "port" (value: isInt value && value >= 0 && value <= 65535);
    ints.positive = simple "positive integer" (value: isInt value && value > 0);
    enum = values: simple "one of ${builtins.toJSON values}" (value: elem value values);
    addCheck = type: check: type // { check = value: type.check value && check value; };
    nullOr = type: {
      name = "null or ${type.name}";
      check = value: value == null || type.check value;
      merge = path: values: if all (value: value == null) values then null else type.merge path values;
    };
    listOf = type: {
      name = "list of ${type.name}";
      check = isList;
      merge = path: values: map (value: checked path type [ value ]) (concatLists values);
    };
    attrsOf = type: {
      name = "set of ${type.name}";
      check = isAttrs;
      merge =
        path: values:
        let
          sets = concatMap pushDown values;
          names = attrNames (foldl' (found: set: found // set) { } sets);
          ofName = name: strongest (concatMap (set: if set ? ${name} then discharge set.${name} else [ ]) sets);
        in
        listToAttrs (
          concatMap (
            name:
            let
              found = ofName name;
            in
            lib.optional (found != [ ]) (lib.nameValuePair name (checked (path ++ [ name ]) type found))
          ) names
        );
    };
    anything = {
      name = "anything";
      check = _: true;
      merge =
        path: values: if all isAttrs values then (types.attrsOf types.anything).merge path values else equal path values;
    };
  };

  checked =
    path: type: values:
    let
      wrong = filter (value: !(type.check value)) values;
    in
    if wrong == [ ] then
      type.merge path values
    else
      throw "A definition for option `${shown path}' is not of type `${type.name}'";

  evalModules =
    {
      modules,
      specialArgs ? { },
    }:
    let
      arguments = specialArgs // {
        inherit lib config;
        options = tree;
      };

      loaded =
        module:
        let
          value = if isPath module || isString module then import module else module;
          set = if isFunction value then value arguments else value;
          isLong = set ? options || set ? config;
        in
        [
          {
            options = set.options or { };
            config = if isLong then set.config or { } else removeAttrs set [ "imports" ];
          }
        ]
        ++ concatMap loaded (set.imports or [ ]);
      all' = concatMap loaded modules;

      join =
        path: a: b:
        if is "option" a || is "option" b then
          throw "The option `${shown path}' is declared twice"
        else
          a // mapAttrs (name: value: if a ? ${name} then join (path ++ [ name ]) a.${name} value else value) b;
      tree = foldl' (found: module: join [ ] found module.options) { } all';

      definitions = concatMap (module: pushDown module.config) all';

      # The definitions of one member.
      of = name: sets: concatMap (set: if set ? ${name} then [ set.${name} ] else [ ]) sets;

      valued =
        path: options: sets:
        mapAttrs (
          name: option:
          let
            here = path ++ [ name ];
          in
          if is "option" option then
            let
              found = strongest (concatMap discharge (of name sets));
            in
            if found != [ ] then
              checked here option.type found
            else if option ? default then
              checked here option.type [ option.default ]
            else
              throw "The option `${shown here}' is used but not defined"
          else
            valued here option (concatMap pushDown (of name sets))
        ) options;

      unknown =
        path: options: sets:
        concatMap (
          name:
          let
            here = path ++ [ name ];
          in
          if !(options ? ${name}) then
            [ (shown here) ]
          else if is "option" options.${name} then
            [ ]
          else
            unknown here options.${name} (concatMap pushDown (of name sets))
        ) (attrNames (foldl' (found: set: found // set) { } sets));

      strangers = unknown [ ] tree definitions;
      config = valued [ ] tree definitions;
    in
    {
      options = tree;
      config =
        if strangers == [ ] then config else throw "The option `${head strangers}' does not exist";
    };
in
lib
